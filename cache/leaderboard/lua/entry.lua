-- What the stream says of a player (cache/leaderboard/entries.py): `<points>:<sequence>:<time>`, the
-- points as decimal numbers with commas; `:<version>:` for one who was removed. It does not depend on
-- the layout, so that whoever flushes it need not know the board.

-- Whether each column of a layout is descending, and so negated in members.
local function descending(layout)
  local found = {}
  for order in string.gmatch(layout, '%u+') do found[#found + 1] = order == 'DESC' end
  return found
end

-- 0 - value, because -0 would be written as '-0'.
local function turned(value, is_descending)
  if is_descending then return 0 - value end
  return value
end

local function standing_entry(layout, position, time)
  local columns = {}
  for at, is_descending in ipairs(descending(layout)) do
    local text = string.sub(position, 15 * at - 14, 15 * at)
    columns[at] = whole(turned(number_from(text), is_descending))
  end
  return table.concat(columns, ',') .. ':' .. whole(number_from(string.sub(position, -15)))
    .. ':' .. time
end

-- The version of an entry; its position and time unless the player was removed.
local function entry_from(layout, text)
  local points, version, time = string.match(text, '^([^:]*):(%d+):(%d*)$')
  if points == '' then return tonumber(version) end
  local directions, position = descending(layout), {}
  for value in string.gmatch(points, '[^,]+') do
    local at = #position + 1
    position[at] = number(turned(tonumber(value), directions[at]))
  end
  return tonumber(version), table.concat(position) .. number(tonumber(version)), time
end

local function append(player, text)
  return redis.call('XADD', KEYS[1], '*', 'k', player, 'n', text, 'f', 'standing')
end
