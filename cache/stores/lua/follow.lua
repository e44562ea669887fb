-- F1, F2. ARGV[2] and ARGV[3] the epoch and the id after which purges are wanted (`''` and `0` for
-- none), ARGV[4] how many at most. Epoch, head, time and purges are as of one moment.
local purges = {}
if ARGV[2] == epoch then
  purges = redis.call('XRANGE', log, '(' .. ARGV[3] .. '-0', '+', 'COUNT', ARGV[4])
end
return { epoch, whole(head()), time[1], time[2], purges }
