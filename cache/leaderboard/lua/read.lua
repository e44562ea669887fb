-- KEYS: the stream and its meta hash, the live copy. ARGV: layout, width, ttl, questions (JSON).
-- Reply: {'ABSENT'}, or {'LIVE', epoch, version, size, answer, answer, ...} of one state.

local copy = copy_of(3)
local width, ttl = tonumber(ARGV[2]), tonumber(ARGV[3])
local state = usable(copy, ARGV[1])
if not state then return { 'ABSENT' } end

-- Sliding, but written at most once an hour.
if redis.call('PTTL', copy.meta) < ttl - 3600000 then expire(copy, ttl) end

-- {index, players strictly better, distinct points strictly better}, for a position and its owner
local function counts(held, player)
  local points = string.sub(held, 1, width)
  local member = string.sub(held, 1, width + SEQUENCE) .. ':' .. player
  return {
    redis.call('ZRANK', copy.members, member),
    redis.call('ZLEXCOUNT', copy.members, '-', '(' .. points),
    redis.call('ZRANK', copy.tuples, points),
  }
end

-- {index, better, distinct better (all of the first), player, held, player, held, ...}
local function rows(members)
  if #members == 0 then return {} end
  local players = {}
  for at, member in ipairs(members) do players[at] = string.sub(member, width + SEQUENCE + 2) end
  local held = redis.call('HMGET', copy.players, unpack(players))
  local reply = counts(held[1], players[1])
  for at, player in ipairs(players) do
    reply[#reply + 1] = player
    reply[#reply + 1] = held[at]
  end
  return reply
end

local answer = {}

function answer.state()
  return 0
end

function answer.slice(asked)
  return rows(redis.call('ZRANGE', copy.members, asked[2], asked[3],
    'BYLEX', 'LIMIT', 0, asked[4]))
end

function answer.around(asked)
  local player, above, total = asked[2], asked[3], asked[3] + asked[4] + 1
  local held = redis.call('HGET', copy.players, player)
  if not held then return {} end
  local index = counts(held, player)[1]
  local start = math.max(0, math.min(index - above, state.size - total))
  return rows(redis.call('ZRANGE', copy.members, start, start + total - 1))
end

function answer.entries(asked)
  local reply = {}
  for at, player in ipairs(asked[2]) do
    local held = redis.call('HGET', copy.players, player)
    reply[at] = held and { held, unpack(counts(held, player)) } or {}
  end
  return reply
end

function answer.count(asked)
  return redis.call('ZLEXCOUNT', copy.members, asked[2], asked[3])
end

function answer.worse(asked)
  local held = redis.call('HGET', copy.players, asked[2])
  if not held then return -1 end
  return redis.call('ZLEXCOUNT', copy.members, '(' .. string.sub(held, 1, width) .. 'g', '+')
end

local reply = { 'LIVE', state.epoch, whole(state.version), state.size }
for _, asked in ipairs(cjson.decode(ARGV[4])) do reply[#reply + 1] = answer[asked[1]](asked) end
return reply
