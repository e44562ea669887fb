-- KEYS: the build and its three parts, the live copy. ARGV: id, version, epoch, ttl, channel.
-- Reply: 'INSTALLED'; 'KEPT': the live copy is as new; 'BEHIND': something newer was acknowledged;
-- 'LOST': the build cannot be used.

local build = copy_of(KEYS[1], KEYS[2], KEYS[3], KEYS[4])
local live = copy_of(KEYS[5], KEYS[6], KEYS[7], KEYS[8])
local state = building(build, ARGV[1])
if not state then return 'LOST' end

local held = usable(live, state.layout)
if held and tonumber(held.version) >= tonumber(ARGV[2]) then
  redis.call('UNLINK', build.meta, build.members, build.players, build.tuples)
  return 'KEPT'
end
if state.floor > tonumber(ARGV[2]) then return 'BEHIND' end

redis.call('UNLINK', live.meta, live.members, live.players, live.tuples)
if state.size > 0 then
  redis.call('RENAME', build.members, live.members)
  redis.call('RENAME', build.players, live.players)
  redis.call('RENAME', build.tuples, live.tuples)
end
redis.call('HSET', live.meta, 'incarnation', incarnation(), 'layout', state.layout,
  'epoch', ARGV[3], 'version', ARGV[2],
  'size', string.format('%.0f', state.size), 'distinct', string.format('%.0f', state.distinct))
redis.call('DEL', build.meta)
expire(live, tonumber(ARGV[4]))
redis.call('PUBLISH', ARGV[5], ARGV[3] .. ':' .. ARGV[2])
return 'INSTALLED'
