-- W1. ARGV[2] the epoch under which a relay published everything.
if ARGV[2] == epoch then
  redis.call('HSET', state, 'looked', whole(now))
end
return 1
