-- The size and distinct count of the build `id`; nil when it cannot go on: its lease ended, the
-- server restarted under it, or a part of it is gone.
local function building(copy, id)
  local meta = redis.call('HMGET', copy.meta, 'id', 'incarnation', 'size', 'distinct', 'floor',
    'layout')
  if meta[1] ~= id or meta[2] ~= incarnation() then return nil end
  if not is_whole(copy, meta[3], meta[4]) then return nil end
  return { size = tonumber(meta[3]), distinct = tonumber(meta[4]), floor = tonumber(meta[5]),
    layout = meta[6] }
end
