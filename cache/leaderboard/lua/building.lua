-- The size and distinct count of a build; nil when it cannot go on: it took too long, the stream or
-- the server is another one by now, or a part of it is gone.
local function building(copy)
  local meta = redis.call('HMGET', copy.meta, 'world', 'size', 'distinct', 'layout')
  if not world() or meta[1] ~= world() then return nil end
  if not is_whole(copy, meta[2], meta[3]) then return nil end
  return { size = tonumber(meta[2]), distinct = tonumber(meta[3]), layout = meta[4] }
end
