-- How much waits, and since when: for the decision whether to flush.
local now = incarnation()
local epoch = opened(now)
if not epoch then
  return {'closed', now}
end
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local since = oldest and string.match(oldest[1], '^%d+') or ''
local clock = redis.call('TIME')
local milliseconds = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
return {'ok', redis.call('XLEN', KEYS[1]), since, milliseconds}
