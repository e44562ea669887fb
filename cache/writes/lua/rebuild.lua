-- Live value = SQL's value at its last id + the stream's tail after that id, in one step.
-- KEYS[3..] live hashes; ARGV: '1' to store them, SQL's epoch, last id and revision, their life
-- (ms), what operations do ('sum', 'last'), the number of fields, their names; then a key and SQL's
-- value of each field, for each hash. Returns the tails in that order, nil where there is nothing:
-- SQL's values are added by the caller.
local now = incarnation()
local epoch, trimmed, world, revision = opened(now)
if not epoch then
  return {'closed', now}
end
local stores, rule, count = ARGV[1] == '1', ARGV[6], tonumber(ARGV[7])
-- Another epoch of SQL's means that nothing of this stream was applied when SQL was read.
local from = epoch == ARGV[2] and ARGV[3] or '0-0'
local tails, places = {}, {}
for j = 1, count do
  places[ARGV[7 + j]] = j
end
local first = 8 + count
for i = first, #ARGV, count + 1 do
  tails[ARGV[i]] = {}
end
local cursor = from
repeat
  local entries = redis.call('XRANGE', KEYS[1], '(' .. cursor, '+', 'COUNT', 1000)
  for _, entry in ipairs(entries) do
    local said = entry[2]
    local tail, place = tails[said[2]], places[said[6] or ARGV[8]]
    if tail and place and rule == 'sum' then
      tail[place] = (tail[place] or 0) + tonumber(said[4])
    elseif tail and place then
      tail[place] = said[4]
    end
    cursor = entry[1]
  end
until #entries < 1000
local status = 'ok'
if before(from, trimmed) then
  status = 'trimmed'
elseif smaller(ARGV[4], revision) then
  status = 'outdated'
elseif stores and smaller(revision, ARGV[4]) then
  raise(ARGV[4])
  world = select(3, opened(now))
end
stores = stores and status == 'ok'
local found = {}
for i = 3, #KEYS do
  local at = first + (i - 3) * (count + 1)
  if stores then
    redis.call('HSET', KEYS[i], 'world', world)
    redis.call('PEXPIRE', KEYS[i], ARGV[5])
  end
  for j = 1, count do
    local field, value, tail = ARGV[7 + j], ARGV[at + j], tails[ARGV[at]][j]
    if tail and rule == 'sum' then
      tail = string.format('%.0f', tail)
    end
    found[#found + 1] = tail or false
    if stores and rule == 'sum' then
      redis.call('HSET', KEYS[i], field, value)
      redis.call('HINCRBY', KEYS[i], field, tail or 0)
    elseif stores then
      redis.call('HSET', KEYS[i], field, tail or value)
    end
  end
end
return {status, found, revision}
