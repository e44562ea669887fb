-- The live values of KEYS[3..]; nil for one that is missing or of another world.
local now = incarnation()
local epoch, _, world = opened(now)
if not epoch then
  return {'closed', now}
end
local values = {}
for i = 3, #KEYS do
  local live = redis.call('HMGET', KEYS[i], 'value', 'world')
  values[i - 2] = live[2] == world and live[1] or false
end
return {'ok', values}
