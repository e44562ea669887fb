-- A copy of a board: `copy` (hash), `members` (sorted set, all scores 0: byte order is the board's
-- order), `players` (hash: player -> position and time), `tuples` (sorted set of distinct points).
-- A position is `width` characters of points and 15 of the sequence; a member is
-- `<position>:<player>`. KEYS[1] and KEYS[2] are the board's stream and its meta hash (writes/lua).

local SEQUENCE = 15

local function copy_of(first)
  return {
    meta = KEYS[first], members = KEYS[first + 1],
    players = KEYS[first + 2], tuples = KEYS[first + 3],
  }
end

-- What a copy belongs to: this life of the stream, on this run of the server. False: not opened.
local known
local function world()
  if known == nil then
    local _, _, found = opened(incarnation())
    known = found or false
  end
  return known
end

-- The counts are checked because each key may be evicted, or expire, by itself.
local function is_whole(copy, size, distinct)
  return redis.call('ZCARD', copy.members) == tonumber(size)
    and redis.call('HLEN', copy.players) == tonumber(size)
    and redis.call('ZCARD', copy.tuples) == tonumber(distinct)
end

-- The epoch, version, size and distinct count of a live copy; nil when it cannot be used: it is
-- missing, in part or all; it has another layout; or it belongs to another world, so that its last
-- changes may have been lost (a restart, a failover, a restore), or it has some that were.
local function usable(copy, layout)
  local meta = redis.call('HMGET', copy.meta,
    'world', 'layout', 'epoch', 'version', 'size', 'distinct')
  if not world() or meta[1] ~= world() or meta[2] ~= layout then return nil end
  if not is_whole(copy, meta[5], meta[6]) then return nil end
  return { epoch = meta[3], version = tonumber(meta[4]), size = tonumber(meta[5]),
    distinct = tonumber(meta[6]) }
end

local function expire(copy, ttl)
  for _, key in pairs(copy) do redis.call('PEXPIRE', key, ttl) end
end
