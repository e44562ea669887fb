-- W1. ARGV[2] the epoch under which a relay published everything that there was at ARGV[3], in
-- milliseconds of this server's time. A newer look stays; one of the future was before the clock was
-- set back, and says nothing.
local at = tonumber(ARGV[3])
local looked = tonumber(redis.call('HGET', state, 'looked') or '')
if ARGV[2] == epoch and (not looked or looked < at or looked > now) then
  redis.call('HSET', state, 'looked', whole(at))
end
return 1
