-- L3. ARGV[2..] for each watermark in KEYS[3..] the milliseconds that it must live at least.
-- A missing one is created at the head: at the entry's own position it would forget a purge that
-- came after the load began and whose watermark was evicted. Times to live are only raised.
local mark = epoch .. ':' .. whole(head())
for index = 3, #KEYS do
  local key, lifetime = KEYS[index], tonumber(ARGV[index - 1])
  local present = redis.call('GET', key)
  if not present or string.sub(present, 1, #epoch + 1) ~= epoch .. ':' then
    redis.call('SET', key, mark, 'PX', lifetime)
  elseif redis.call('PTTL', key) < lifetime then
    redis.call('PEXPIRE', key, lifetime)
  end
end
return 1
