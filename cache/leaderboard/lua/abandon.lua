-- KEYS: the build and its three parts. ARGV: id. Gives up the build, and its lease if it has it.

if redis.call('HGET', KEYS[1], 'id') == ARGV[1] then redis.call('UNLINK', KEYS[1]) end
return redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4])
