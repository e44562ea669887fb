-- KEYS: the boards that may have a backlog. Reply: board, age (ms), board, age, ...
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local found = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for at = 2, #found, 2 do found[at] = whole(now - found[at]) end
return found
