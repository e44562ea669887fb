-- KEYS: the stream and its meta hash, the build's four. ARGV: width, lease (ms), then rows: player,
-- position, time. Reply: {'loaded'}, or {'lost'} when the build cannot go on.

local copy = copy_of(3)
local state = building(copy)
if not state then return { 'lost' } end
for at = 3, #ARGV, 3 do
  local row = { player = ARGV[at], position = ARGV[at + 1], time = ARGV[at + 2] }
  put(copy, tonumber(ARGV[1]), row, state)
end
save(copy, state)
expire(copy, tonumber(ARGV[2]))
return { 'loaded' }
