-- Finalizers (__gc) of a policy are not called: Lua runs them with the count hook off, so that one that loops could not be
-- stopped. The Lua of the reference does not call them for tables either.
local wrong_type = ...
local rawget, rawset, type, pcall, error = rawget, rawset, type, pcall, error

-- Lua looks for __gc at the moment the metatable is set, and only then; false is one that may be filled in later.
local function set_without_finalizer(set, value, metatable)
  local finalizer
  if type(metatable) == "table" then finalizer = rawget(metatable, "__gc") end
  if finalizer == nil then return set(value, metatable) end
  rawset(metatable, "__gc", nil)
  local ok, result = pcall(set, value, metatable)
  rawset(metatable, "__gc", finalizer)
  if not ok then error(result, 3) end
  return result
end

local set, set_any = setmetatable, debug.setmetatable

function setmetatable(value, metatable)
  if type(value) ~= "table" then wrong_type(value, "table", 1, "setmetatable", 2) end
  return set_without_finalizer(set, value, metatable)
end

function debug.setmetatable(value, metatable)
  return set_without_finalizer(set_any, value, metatable)
end
