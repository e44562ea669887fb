-- KEYS: the build. ARGV: id, layout, lease in ms. Reply: 1, or 0 while another build runs.

local here = incarnation()
if redis.call('HGET', KEYS[1], 'incarnation') == here then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'incarnation', here, 'layout', ARGV[2],
  'size', '0', 'distinct', '0', 'floor', '0')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
