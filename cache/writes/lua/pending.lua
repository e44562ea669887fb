-- The next operations that SQL lacks. ARGV: SQL's epoch and last id, how many.
local now = incarnation()
local epoch, trimmed = opened(now)
if not epoch then
  return {'closed', now}
end
local from = epoch == ARGV[1] and ARGV[2] or '0-0'
local entries = redis.call('XRANGE', KEYS[1], '(' .. from, '+', 'COUNT', ARGV[3])
return {'ok', epoch, trimmed, entries}
