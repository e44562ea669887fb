-- A submission, all of it. KEYS: the stream and its meta hash, the copy, the idempotency key's if it
-- has one. ARGV: layout, width, life of the copy (ms), channel, operator, limit of the stream,
-- player, points (as members have them); digest of the call's arguments, life of its key (ms).
-- Reply: {'closed', incarnation}; {'absent'}; {'full', waiting}; {'reused'}; {'refused', held};
-- {'done' or 'again', version, held before ('' for nothing), held after, ranks, waiting, id in the
-- stream ('' where nothing was appended)}.

local layout, width = ARGV[1], tonumber(ARGV[2])
local player, submitted = ARGV[7], ARGV[8]
local copy, once = copy_of(3), KEYS[7]

if not world() then return { 'closed', incarnation() } end
local state = usable(copy, layout)
if not state then return { 'absent' } end
local waiting = redis.call('XLEN', KEYS[1])

-- The competition rank of `held`, were it this player's, who holds `present` now: 0 for nothing.
local function rank(held, present)
  if held == '' then return 0 end
  local points = string.sub(held, 1, width)
  local better = redis.call('ZLEXCOUNT', copy.members, '-', '(' .. points)
  -- Both are as long and of hexadecimal digits, so every locale's collation orders them alike.
  if present and string.sub(present, 1, width) < points then better = better - 1 end
  return better + 1
end

local function done(outcome, version, before, after)
  local present = redis.call('HGET', copy.players, player)
  return { outcome, version, before, after, { rank(before, present), rank(after, present) }, waiting, '' }
end

-- In the same step as the submission: whoever finds the key finds what came of it.
local kept = once and redis.call('GET', once)
if kept then
  if string.sub(kept, 1, #ARGV[9]) ~= ARGV[9] then return { 'reused' } end
  local before, after, version = string.match(string.sub(kept, #ARGV[9] + 1), '^(.*):(.*):(.*)$')
  return done('again', version, before, after)
end
if waiting >= tonumber(ARGV[6]) then return { 'full', waiting } end

-- The sums of all columns; nil where one is out of range.
local function added(held)
  local sums = {}
  for at = 1, width, 15 do
    local sum = number_from(string.sub(held, at, at + 14))
      + number_from(string.sub(submitted, at, at + 14))
    if sum > LARGEST or sum < -LARGEST then return nil end
    sums[#sums + 1] = number(sum)
  end
  return table.concat(sums)
end

local held = redis.call('HGET', copy.players, player)
local points = submitted
if held and ARGV[5] == 'INCREMENT' then
  points = added(held)
  if not points then return { 'refused', held } end
elseif held and ARGV[5] == 'BEST' and string.sub(held, 1, width) < submitted then
  points = string.sub(held, 1, width)
end

local before, after, version, id = held or '', held, state.version, ''
local previous_rank = rank(before, held)
if not held or string.sub(held, 1, width) ~= points then
  version = version + 1
  local clock = redis.call('TIME')
  local time, position = whole(clock[1] * 1000000 + clock[2]), points .. number(version)
  after = position .. time
  id = append(player, standing_entry(layout, position, time))
  waiting = waiting + 1
  put(copy, width, { player = player, position = position, time = time }, state)
  save(copy, state)
  redis.call('HSET', copy.meta, 'version', whole(version))
  redis.call('PUBLISH', ARGV[4], state.epoch .. ':' .. whole(version))
end
if once then
  redis.call('SET', once, ARGV[9] .. before .. ':' .. after .. ':' .. whole(version), 'PX', ARGV[10])
end
expire(copy, tonumber(ARGV[3]))
return { 'done', whole(version), before, after, { previous_rank, rank(after, after) }, waiting,
  id }
