-- A copy of a board: `meta` (hash), `members` (sorted set, all scores 0: byte order is the board's
-- order), `players` (hash: player -> position and time), `tuples` (sorted set of distinct points).
-- A position is `width` characters of points and 15 of the sequence; a member is
-- `<position>:<player>`.

local SEQUENCE = 15

local function incarnation()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
end

local function copy_of(meta, members, players, tuples)
  return { meta = meta, members = members, players = players, tuples = tuples }
end

-- The counts are checked because each key may be evicted, or expire, by itself.
local function is_whole(copy, size, distinct)
  return redis.call('ZCARD', copy.members) == tonumber(size)
    and redis.call('HLEN', copy.players) == tonumber(size)
    and redis.call('ZCARD', copy.tuples) == tonumber(distinct)
end

-- The epoch, version, size and distinct count of a live copy; nil when it cannot be used: it is
-- missing, in part or all; it has another layout; or this server is not the one that it was
-- written to, so that its last changes may have been lost (a restart, a failover, a restore).
local function usable(copy, layout)
  local meta = redis.call('HMGET', copy.meta,
    'incarnation', 'layout', 'epoch', 'version', 'size', 'distinct')
  if meta[1] ~= incarnation() or meta[2] ~= layout then return nil end
  if not is_whole(copy, meta[5], meta[6]) then return nil end
  return { epoch = meta[3], version = meta[4], size = meta[5], distinct = meta[6] }
end

local function expire(copy, ttl)
  for _, key in pairs(copy) do redis.call('PEXPIRE', key, ttl) end
end

-- A build that is running must not be installed below `version`: what was committed up to there
-- was acknowledged without a copy to apply it to. No build: a later one begins by reading it.
local function raise_floor(build, version)
  local floor = redis.call('HGET', build, 'floor')
  if floor and tonumber(floor) < tonumber(version) then
    redis.call('HSET', build, 'floor', version)
  end
end
