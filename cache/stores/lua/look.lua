-- Tells epoch, head, time and the watermarks of KEYS[3..], all as of one moment (J3, L1).
local marks = {}
for index = 3, #KEYS do
  marks[#marks + 1] = redis.call('GET', KEYS[index])
end
return { epoch, whole(head()), time[1], time[2], marks }
