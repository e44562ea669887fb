-- Puts players into a copy, and takes them out. `state` has its size and distinct count, which
-- change with it and are written by `save`. A row is absolute (what the player holds now), so that
-- putting it twice is the same as once.

local function leave(copy, width, held, player, state)
  local points = string.sub(held, 1, width)
  redis.call('ZREM', copy.members, string.sub(held, 1, width + SEQUENCE) .. ':' .. player)
  -- 'g' sorts after every hexadecimal digit.
  local same = redis.call('ZRANGE', copy.members, '[' .. points, '(' .. points .. 'g',
    'BYLEX', 'LIMIT', 0, 1)
  if #same == 0 then
    state.distinct = state.distinct - redis.call('ZREM', copy.tuples, points)
  end
end

local function put(copy, width, row, state)
  local held = redis.call('HGET', copy.players, row.player)
  if held then
    leave(copy, width, held, row.player, state)
  else
    state.size = state.size + 1
  end
  local points = string.sub(row.position, 1, width)
  redis.call('ZADD', copy.members, 0, row.position .. ':' .. row.player)
  redis.call('HSET', copy.players, row.player, row.position .. row.time)
  state.distinct = state.distinct + redis.call('ZADD', copy.tuples, 0, points)
end

local function take_out(copy, width, player, state)
  local held = redis.call('HGET', copy.players, player)
  if not held then return false end
  leave(copy, width, held, player, state)
  redis.call('HDEL', copy.players, player)
  state.size = state.size - 1
  return true
end

local function save(copy, state)
  redis.call('HSET', copy.meta, 'size', whole(state.size), 'distinct', whole(state.distinct))
end
