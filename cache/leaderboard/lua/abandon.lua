-- KEYS: a build's four. Gives it up.

return redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
