-- Takes a player off the board, and says so in the stream. KEYS: the stream and its meta hash, the
-- copy. ARGV: layout, width, life of the copy (ms), channel, player. Frees more than it stores, so it
-- is allowed when the server is full.
-- Reply: {'closed', incarnation}; {'absent'}; {'nobody'}; {'done', id in the stream, its epoch}.

local copy, width = copy_of(3), tonumber(ARGV[2])
if not world() then return { 'closed', incarnation() } end
local state = usable(copy, ARGV[1])
if not state then return { 'absent' } end
if not take_out(copy, width, ARGV[5], state) then return { 'nobody' } end

local version = whole(state.version + 1)
local id = append(ARGV[5], ':' .. version .. ':')
save(copy, state)
redis.call('HSET', copy.meta, 'version', version)
expire(copy, tonumber(ARGV[3]))
redis.call('PUBLISH', ARGV[4], state.epoch .. ':' .. version)
return { 'done', id, redis.call('HGET', KEYS[2], 'epoch') }
