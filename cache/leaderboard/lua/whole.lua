-- An integer as replies and hashes have it: `tostring` would write large ones as 1e+15.
local function whole(number)
  return string.format('%.0f', number)
end
