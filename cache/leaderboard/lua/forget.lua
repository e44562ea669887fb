-- KEYS: the boards that may have a backlog. ARGV: how old (ms), a board. Forgets the board if nobody
-- has noted it for so long. Reply: whether it did.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local noted = redis.call('ZSCORE', KEYS[1], ARGV[2])
-- A time ahead of now is of a clock that was set back: it says nothing any more.
if noted and now - noted >= 0 and now - noted < tonumber(ARGV[1]) then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[2])
