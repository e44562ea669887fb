-- KEYS: the build and its three parts. ARGV: id, width, lease in ms, then rows.
-- Reply: 1, or 0 when the build is lost.

local copy = copy_of(KEYS[1], KEYS[2], KEYS[3], KEYS[4])
local state = building(copy, ARGV[1])
if not state then return 0 end
put_all(copy, tonumber(ARGV[2]), 4, state)
expire(copy, tonumber(ARGV[3]))
return 1
