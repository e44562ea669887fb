-- Append one operation and do it to the live value, if that is there: then it is acknowledged.
-- KEYS[3] live hash, KEYS[4] the call's idempotency key, if it has one; ARGV key, field, payload,
-- what it does to a live value ('sum', 'last', '': it has none), life of the live hash (ms), limit
-- of the stream, digest of the call's arguments, life of its key (ms).
local now = incarnation()
local epoch, _, world = opened(now)
if not epoch then
  return {'closed', now}
end
-- In the same step as the append: whoever finds the key finds the operation, now or applied.
local kept = KEYS[4] and redis.call('GET', KEYS[4])
if kept then
  local same = string.sub(kept, 1, #ARGV[7]) == ARGV[7]
  return {same and 'again' or 'reused', string.sub(kept, #ARGV[7] + 1)}
end
local waiting = redis.call('XLEN', KEYS[1])
if waiting >= tonumber(ARGV[6]) then
  return {'full', waiting}
end
local id = redis.call('XADD', KEYS[1], '*', 'k', ARGV[1], 'n', ARGV[3], 'f', ARGV[2])
if KEYS[4] then
  redis.call('SET', KEYS[4], ARGV[7] .. id, 'PX', ARGV[8])
end
local value = false
local live = redis.call('HMGET', KEYS[3], 'world', ARGV[2])
if live[1] == world and live[2] then
  if ARGV[4] == 'sum' then
    value = redis.call('HINCRBY', KEYS[3], ARGV[2], ARGV[3])
  else
    value = ARGV[3]
    redis.call('HSET', KEYS[3], ARGV[2], value)
  end
  redis.call('PEXPIRE', KEYS[3], ARGV[5])
end
return {'ok', id, waiting + 1, value}
