-- KEYS: the boards that may have a backlog. ARGV: a board. Notes it, with the time.
local clock = redis.call('TIME')
return redis.call('ZADD', KEYS[1], whole(clock[1] * 1000 + math.floor(clock[2] / 1000)), ARGV[1])
