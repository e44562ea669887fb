-- Remove what SQL has committed. ARGV: epoch, last id that is committed, the id after it, SQL's
-- revision.
-- Needs no reconciled stream: what is committed under this epoch is committed.
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'trimmed_to')
if meta[1] ~= ARGV[1] then
  return 0
end
raise(ARGV[4])
local removed = redis.call('XTRIM', KEYS[1], 'MINID', '=', ARGV[3])
if before(meta[2], ARGV[2]) then
  redis.call('HSET', KEYS[2], 'trimmed_to', ARGV[2])
end
return removed
