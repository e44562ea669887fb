#!lua flags=allow-oom
-- KEYS[1] a lease. ARGV[1] the token of whoever gives it back, ARGV[2] the channel on which the
-- others wait for that. Compare-and-delete: it may have ended, and be another's by now.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], KEYS[1])
return 1
