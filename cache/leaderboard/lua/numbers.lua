-- Numbers as members have them (cache/leaderboard/members.py): 15 characters that sort like them.
-- All are at most 2^53 - 1 either way, and so exact in a double.

local SHIFT = 9007199254740992
local LARGEST = SHIFT - 1

local function number(value)
  if value < 0 then return '0' .. string.format('%014x', value + SHIFT) end
  return '1' .. string.format('%014x', value)
end

local function number_from(text)
  local value = tonumber(string.sub(text, 2), 16)
  if string.sub(text, 1, 1) == '0' then return value - SHIFT end
  return value
end
