-- The fields ARGV of the live values KEYS[3..]; nil for one that is missing or of another world.
local now = incarnation()
local epoch, _, world = opened(now)
if not epoch then
  return {'closed', now}
end
local found = {}
for i = 3, #KEYS do
  local live = redis.call('HMGET', KEYS[i], 'world', unpack(ARGV))
  if live[1] ~= world then
    for j = 2, #live do
      live[j] = false
    end
  end
  table.remove(live, 1)
  found[i - 2] = live
end
return {'ok', found}
