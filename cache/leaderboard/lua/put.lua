-- Puts rows into a copy. Each row is absolute (what the player holds now), so that putting it
-- twice is the same as once. Rows are ARGV[first], first + 1, first + 2: player, position, time.

local function leave(copy, width, held, player, counts)
  local points = string.sub(held, 1, width)
  redis.call('ZREM', copy.members, string.sub(held, 1, width + SEQUENCE) .. ':' .. player)
  -- 'g' sorts after every hexadecimal digit.
  local same = redis.call('ZRANGE', copy.members, '[' .. points, '(' .. points .. 'g',
    'BYLEX', 'LIMIT', 0, 1)
  if #same == 0 then
    counts.distinct = counts.distinct - redis.call('ZREM', copy.tuples, points)
  end
end

local function put(copy, width, row, counts)
  local held = redis.call('HGET', copy.players, row.player)
  if held then
    leave(copy, width, held, row.player, counts)
  else
    counts.size = counts.size + 1
  end
  local points = string.sub(row.position, 1, width)
  redis.call('ZADD', copy.members, 0, row.position .. ':' .. row.player)
  redis.call('HSET', copy.players, row.player, row.position .. row.time)
  counts.distinct = counts.distinct + redis.call('ZADD', copy.tuples, 0, points)
end

local function put_all(copy, width, first, counts)
  for at = first, #ARGV, 3 do
    put(copy, width, { player = ARGV[at], position = ARGV[at + 1], time = ARGV[at + 2] }, counts)
  end
  redis.call('HSET', copy.meta,
    'size', string.format('%.0f', counts.size), 'distinct', string.format('%.0f', counts.distinct))
end
