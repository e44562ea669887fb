-- SQL was changed past the stream: ARGV its revision since. Needs no opened stream: whoever opens
-- it, and read SQL before that change, must not lower it. Returns the largest one heard of.
raise(ARGV[1])
return redis.call('HGET', KEYS[2], 'revision') or '0'
