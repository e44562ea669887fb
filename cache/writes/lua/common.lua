-- Shared by every script of a write-behind. Source: docs/write-behind.md.
-- KEYS[1] is the stream, KEYS[2] its meta hash (epoch, incarnation, trimmed_to, revision).

-- Which run of the server this is: a restart and a promotion of a replica both change it.
local function incarnation()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end

-- The stream's epoch, the furthest trim, the world that live values are tied to, and the revision
-- of SQL in it; nil until somebody has reconciled the stream with SQL in this incarnation
-- (reconcile.lua).
local function opened(now)
  local meta = redis.call('HMGET', KEYS[2], 'epoch', 'incarnation', 'trimmed_to', 'revision')
  if not meta[1] or meta[2] ~= now or redis.call('EXISTS', KEYS[1]) == 0 then
    return nil
  end
  local revision = meta[4] or '0'
  return meta[1], meta[3], meta[1] .. ':' .. now .. ':' .. revision, revision
end

-- Stream ids compare as two numbers each; as digits, because a double would round them.
local function smaller(a, b)
  if #a ~= #b then
    return #a < #b
  end
  return a < b
end

local function before(a, b)
  local a_time, a_number = string.match(a, '^(%d+)-(%d+)$')
  local b_time, b_number = string.match(b, '^(%d+)-(%d+)$')
  if a_time ~= b_time then
    return smaller(a_time, b_time)
  end
  return smaller(a_number, b_number)
end

-- SQL was changed past the stream, up to this revision: older live values are of another world.
local function raise(revision)
  if smaller(redis.call('HGET', KEYS[2], 'revision') or '0', revision) then
    redis.call('HSET', KEYS[2], 'revision', revision)
  end
end
