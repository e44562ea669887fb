-- KEYS: the live copy, the build. ARGV: layout, version.
-- Reply: 0 if the live copy has `version`; else 1, and there is no live copy any more: everybody
-- reads the source. Only frees memory, so it is allowed when the server is full.

local copy = copy_of(KEYS[1], KEYS[2], KEYS[3], KEYS[4])
local state = usable(copy, ARGV[1])
if state and tonumber(state.version) >= tonumber(ARGV[2]) then return 0 end
redis.call('UNLINK', copy.meta, copy.members, copy.players, copy.tuples)
raise_floor(KEYS[5], ARGV[2])
return 1
