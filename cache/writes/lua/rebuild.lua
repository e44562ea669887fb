-- Live value = SQL's value at its last id + the stream's tail after that id, in one step.
-- KEYS[3..] live hashes; ARGV: '1' to store them, SQL's epoch and last id, their life (ms), then a
-- key and SQL's value for each. Returns the sums of the tail: SQL's value is added by the caller.
local now = incarnation()
local epoch, trimmed, world = opened(now)
if not epoch then
  return {'closed', now}
end
-- Another epoch of SQL's means that nothing of this stream was applied when SQL was read.
local from = epoch == ARGV[2] and ARGV[3] or '0-0'
local tail = {}
for i = 5, #ARGV, 2 do
  tail[ARGV[i]] = 0
end
local cursor = from
repeat
  local entries = redis.call('XRANGE', KEYS[1], '(' .. cursor, '+', 'COUNT', 1000)
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    if tail[fields[2]] then
      tail[fields[2]] = tail[fields[2]] + tonumber(fields[4])
    end
    cursor = entry[1]
  end
until #entries < 1000
local fits = not before(from, trimmed)
local sums = {}
for i = 3, #KEYS do
  local key, value = ARGV[2 * i - 1], ARGV[2 * i]
  sums[i - 2] = string.format('%.0f', tail[key])
  if fits and ARGV[1] == '1' then
    redis.call('HSET', KEYS[i], 'value', value, 'world', world)
    redis.call('HINCRBY', KEYS[i], 'value', sums[i - 2])
    redis.call('PEXPIRE', KEYS[i], ARGV[4])
  end
end
return {fits and 'ok' or 'trimmed', sums}
