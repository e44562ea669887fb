-- Append one operation and add it to the live value, if that is there: then it is acknowledged.
-- KEYS[3] live hash; ARGV key, amount, life of the live hash (ms), limit of the stream.
local now = incarnation()
local epoch, _, world = opened(now)
if not epoch then
  return {'closed', now}
end
local waiting = redis.call('XLEN', KEYS[1])
if waiting >= tonumber(ARGV[4]) then
  return {'full', waiting}
end
local id = redis.call('XADD', KEYS[1], '*', 'k', ARGV[1], 'n', ARGV[2])
local value = false
if redis.call('HGET', KEYS[3], 'world') == world then
  value = redis.call('HINCRBY', KEYS[3], 'value', ARGV[2])
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
end
return {'ok', id, waiting + 1, value}
