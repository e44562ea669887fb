-- KEYS: the live copy, the build. ARGV: layout, width, ttl, from, to, channel,
-- asked player, asked points before ('' for none), asked points after, then rows.
-- Reply: {'ABSENT'}; {'GAP', epoch, version}; {'APPLIED' or 'AHEAD', epoch, version, ranks}.

local copy = copy_of(KEYS[1], KEYS[2], KEYS[3], KEYS[4])
local width = tonumber(ARGV[2])
local from, to = tonumber(ARGV[4]), tonumber(ARGV[5])
local state = usable(copy, ARGV[1])
if not state then
  raise_floor(KEYS[5], ARGV[5])
  return { 'ABSENT' }
end

-- The competition rank of `points`, were they this player's: 0 for no points.
local function rank(player, points)
  if points == '' then return 0 end
  local better = redis.call('ZLEXCOUNT', copy.members, '-', '(' .. points)
  local held = redis.call('HGET', copy.players, player)
  -- Both are as long and of hexadecimal digits, so every locale's collation orders them alike.
  if held and string.sub(held, 1, width) < points then better = better - 1 end
  return better + 1
end

local function ranks()
  return { rank(ARGV[7], ARGV[8]), rank(ARGV[7], ARGV[9]) }
end

local version = tonumber(state.version)
if version >= to then return { 'AHEAD', state.epoch, state.version, ranks() } end
if version < from then return { 'GAP', state.epoch, state.version } end

put_all(copy, width, 10, { size = tonumber(state.size), distinct = tonumber(state.distinct) })
redis.call('HSET', copy.meta, 'version', ARGV[5])
expire(copy, tonumber(ARGV[3]))
redis.call('PUBLISH', ARGV[6], state.epoch .. ':' .. ARGV[5])
return { 'APPLIED', state.epoch, ARGV[5], ranks() }
