-- KEYS[1] state (a hash: epoch, incarnation, looked), KEYS[2] the log (a stream), KEYS[3..]
-- watermarks. ARGV[1] a random name, in case that a new epoch begins.
--
-- Every script begins with this: F3. No epoch, no log, or another incarnation of the server than
-- the epoch's: a part of the log may be lost, so a new epoch begins, and with it the log, before
-- anything is answered. It is a script that writes, so a replica refuses it.
local state, log = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local incarnation = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
local known = redis.call('HMGET', state, 'epoch', 'incarnation')
local epoch = known[1]

-- Ids are integers below 2^53 and are printed whole: a Lua number would become 1.7e+12.
local function whole(number)
  return string.format('%.0f', number)
end

local function append(id, predecessor, tags)
  redis.call('XADD', log, 'MAXLEN', '~', '100000', whole(id) .. '-0',
    'predecessor', whole(predecessor), 'epoch', epoch, 'tags', tags)
end

-- `looked`: the new log has everything from its beginning on, as if a relay had just looked.
local function begin()
  epoch = ARGV[1]
  redis.call('DEL', log)
  redis.call('HSET', state, 'epoch', epoch, 'incarnation', incarnation, 'looked', whole(now))
  append(now, 0, '[]')
end

local fresh = not epoch or known[2] ~= incarnation or redis.call('EXISTS', log) == 0
if fresh then
  begin()
end

-- The head is the last id that was given out, not that of the last entry: the log is trimmed.
local function head()
  local facts = redis.call('XINFO', 'STREAM', log)
  for index = 1, #facts, 2 do
    if facts[index] == 'last-generated-id' then
      return tonumber(string.match(facts[index + 1], '^(%d+)'))
    end
  end
end
