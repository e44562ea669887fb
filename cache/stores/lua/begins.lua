-- W1. ARGV[2] the milliseconds for which no relay may have looked. Rows of the outbox are kept for
-- longer than that: beyond it some may be gone that this epoch never got. A clock that was set back
-- says nothing about how long it was.
local looked = tonumber(redis.call('HGET', state, 'looked') or '')
if not looked or math.abs(now - looked) > tonumber(ARGV[2]) then
  begin()
end
return { epoch, whole(head()), time[1], time[2], {} }
