-- Lua's error for an argument of the wrong type, for functions that are written in Lua.
local error, type, getmetatable, format = error, type, getmetatable, string.format

-- The prelude's classes are tables that have their names for metatables.
local function type_name(value)
  local name = type(value) == "table" and getmetatable(value)
  return type(name) == "string" and name or value == nil and "no value" or type(value)
end

-- `level` counts as error's does, from the function that calls this one: 2 blames the line that called it.
local function wrong_type(value, expected, position, name, level)
  error(format("bad argument #%d to '%s' (%s expected, got %s)", position, name, expected, type_name(value)), level + 1)
end

return wrong_type, type_name
