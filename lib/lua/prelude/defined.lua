-- Whether a global, or a field of one, is there: for `--check-config`. A policy's metatable may have a say, and may raise.
local globals, pcall = _G, pcall

local function index(value, key)
  return value[key]
end

return function(name, field)
  local ok, value = pcall(index, globals, name)
  if ok and value ~= nil and field ~= nil then ok, value = pcall(index, value, field) end
  return ok and value ~= nil
end
