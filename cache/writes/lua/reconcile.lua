-- Open the stream in this incarnation, given how far SQL is: nobody appends before.
-- ARGV: incarnation that was seen before SQL was fenced, SQL's epoch and last id, a new epoch, SQL's
-- revision.
local now = incarnation()
if now ~= ARGV[1] then
  return {'closed', now}
end
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'incarnation')
local epoch, outcome, last = meta[1], 'kept', ''
local exists = redis.call('EXISTS', KEYS[1]) == 1
if exists then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      last = info[i + 1]
    end
  end
end
if exists and epoch and meta[2] == now then
  return {'known', epoch, last}
end
if exists and not epoch and ARGV[2] ~= '' then
  -- The meta hash was removed by hand: what SQL knows is the best guess, and the safe one.
  epoch = ARGV[2]
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'trimmed_to', ARGV[3])
end
if not exists or not epoch then
  epoch = ARGV[4]
  outcome = ARGV[2] == '' and 'new' or 'lost'
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'trimmed_to', '0-0')
  if not exists then
    redis.call('XDEL', KEYS[1], redis.call('XADD', KEYS[1], '0-1', 'k', ''))
  end
elseif epoch == ARGV[2] and before(last, ARGV[3]) then
  -- Redis came back older than SQL. Ids that SQL has passed must not be given out again.
  redis.call('XSETID', KEYS[1], ARGV[3])
  outcome = 'rolled-back'
end
raise(ARGV[5])
redis.call('HSET', KEYS[2], 'incarnation', now)
return {outcome, epoch, last}
