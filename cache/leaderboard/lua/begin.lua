-- KEYS: the stream and its meta hash, the live copy, the build's four. ARGV: layout, lease (ms).
-- Reply: {'closed', incarnation}; {'kept'} where there is a usable copy; {'begun'}.

local build = copy_of(7)
local here = world()
if not here then return { 'closed', incarnation() } end
if usable(copy_of(3), ARGV[1]) then return { 'kept' } end
redis.call('DEL', build.meta, build.members, build.players, build.tuples)
redis.call('HSET', build.meta, 'world', here, 'layout', ARGV[1], 'size', '0', 'distinct', '0')
redis.call('PEXPIRE', build.meta, ARGV[2])
return { 'begun' }
