-- Lua's error for an argument of the wrong type, for functions that are written in Lua.
local error, type, getmetatable, rawget, format = error, type, getmetatable, rawget, string.format
local raw_metatable = debug.getmetatable

-- The prelude's classes are tables that have their names for metatables.
local function type_name(value)
  local name = type(value) == "table" and getmetatable(value)
  return type(name) == "string" and name or value == nil and "no value" or type(value)
end

-- `level` counts as error's does, from the function that calls this one: 2 blames the line that called it.
local function wrong_type(value, expected, position, name, level)
  error(format("bad argument #%d to '%s' (%s expected, got %s)", position, name, expected, type_name(value)), level + 1)
end

-- The class of a value, nil for a table of a policy's: no policy gets at a class's metatable to put its name there.
local function class_of(value)
  local metatable = raw_metatable(value)
  local name = metatable and rawget(metatable, "__name")
  return name and name == rawget(metatable, "__metatable") and name or nil
end

return wrong_type, type_name, class_of
