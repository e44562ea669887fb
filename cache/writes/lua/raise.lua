-- SQL was changed past the stream: ARGV its revision since. Needs no opened stream: whoever opens
-- it, and read SQL before that change, must not lower it.
raise(ARGV[1])
return 1
