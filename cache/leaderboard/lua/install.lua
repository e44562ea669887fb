-- The live copy = the rows of SQL that were loaded + the stream's tail after SQL's last id.
-- KEYS: the stream and its meta hash, the live copy, the build's four. ARGV: width, life of the copy
-- (ms), channel, SQL's epoch and last id, the board's version in SQL, the copy's epoch, '1' where
-- what was trimmed past SQL's last id is known to be lost.
-- Reply: {'closed', incarnation}; {'lost'}: the build cannot be used; {'kept'}: there is a usable
-- copy; {'trimmed', until}: the stream lacks what came after SQL's last id; {'installed', version}.

local live, build, width = copy_of(3), copy_of(7), tonumber(ARGV[1])
local now = incarnation()
local epoch, trimmed, here = opened(now)
if not epoch then return { 'closed', now } end
local state = building(build)
if not state then return { 'lost' } end
if usable(live, state.layout) then return { 'kept' } end

-- Another epoch of SQL's means that nothing of this stream was applied when SQL was read.
local cursor = epoch == ARGV[4] and ARGV[5] or '0-0'
if before(cursor, trimmed) and ARGV[8] ~= '1' then return { 'trimmed', trimmed } end

local version = tonumber(ARGV[6])
repeat
  local entries = redis.call('XRANGE', KEYS[1], '(' .. cursor, '+', 'COUNT', 1000)
  for _, entry in ipairs(entries) do
    local player = entry[2][2]
    local entry_version, position, time = entry_from(state.layout, entry[2][4])
    if position then
      put(build, width, { player = player, position = position, time = time }, state)
    else
      take_out(build, width, player, state)
    end
    version = math.max(version, entry_version)
    cursor = entry[1]
  end
until #entries < 1000

redis.call('UNLINK', live.meta, live.members, live.players, live.tuples)
if state.size > 0 then
  redis.call('RENAME', build.members, live.members)
  redis.call('RENAME', build.players, live.players)
  redis.call('RENAME', build.tuples, live.tuples)
end
redis.call('DEL', build.meta)
redis.call('HSET', live.meta, 'world', here, 'layout', state.layout,
  'epoch', ARGV[7], 'version', whole(version),
  'size', whole(state.size), 'distinct', whole(state.distinct))
expire(live, tonumber(ARGV[2]))
redis.call('PUBLISH', ARGV[3], ARGV[7] .. ':' .. whole(version))
return { 'installed', whole(version) }
