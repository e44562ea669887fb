-- W2. ARGV[2] the tags as JSON, ARGV[3] the lifetime of a watermark and ARGV[4] that of the log's
-- entries, both in milliseconds. Returns epoch and position.
local last = head()
local id = math.max(now, last + 1)
append(id, last, ARGV[2])
redis.call('XTRIM', log, 'MINID', '~', whole(now - tonumber(ARGV[4])))
local mark = epoch .. ':' .. whole(id)
for index = 3, #KEYS do
  redis.call('SET', KEYS[index], mark, 'PX', ARGV[3])
end
return { epoch, whole(id) }
