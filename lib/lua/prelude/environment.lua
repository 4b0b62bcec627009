-- Environments of functions, and modules that are made of them, as in 5.1.
local check, check_number = ...
local error, type, tonumber, select, rawget, rawset = error, type, tonumber, select, rawget, rawset
local fmod, tointeger, format, gmatch, match = math.fmod, math.tointeger, string.format, string.gmatch, string.match
local getinfo, getupvalue, upvaluejoin = debug.getinfo, debug.getupvalue, debug.upvaluejoin
local getmetatable, setmetatable = debug.getmetatable, setmetatable
local globals, loaded = _G, package.loaded

-- The function at a level of the stack, where 1 is the one that called getfenv or setfenv. As in 5.1, a call that took the
-- place of its caller counts as a level.
local function function_at(level, name)
  local frame, left = 2, level
  local info = getinfo(frame, "t")
  while left > 0 do
    if info.istailcall then
      left = left - 1
      if left == 0 then error(format("no function environment for tail call at level %d", level), 3) end
    end
    frame, left = frame + 1, left - 1
    info = getinfo(frame, "ft")
    if not info then error(format("bad argument #1 to '%s' (invalid level)", name), 3) end
  end
  return info.func
end

local function check_level(level, name)
  level = check_number(level, 1, name)
  level = tointeger(level - fmod(level, 1)) or -1
  if level < 0 then error(format("bad argument #1 to '%s' (level must be non-negative)", name), 3) end
  return level
end

-- A function that uses no global has no environment.
local function environment_index(f)
  for i = 1, 255 do
    local name = getupvalue(f, i)
    if name == "_ENV" then return i end
    if not name then return nil end
  end
end

local function set_environment(f, environment)
  local index = environment_index(f)
  -- An upvalue of its own: others that share the old one keep their environment.
  if index then upvaluejoin(f, index, function() return environment end, 1) end
end

function getfenv(f)
  if type(f) ~= "function" then
    local level = f == nil and 1 or tonumber(f)
    if not level then check_number(f, 1, "getfenv") end
    level = check_level(level, "getfenv")
    if level == 0 then return globals end
    f = function_at(level, "getfenv")
  end
  local index = environment_index(f)
  if not index then return globals end
  local _, environment = getupvalue(f, index)
  return environment
end

function setfenv(f, environment)
  check(environment, "table", 2, "setfenv")
  if type(f) ~= "function" then
    local level = check_level(check_number(f, 1, "setfenv"), "setfenv")
    if level == 0 then error("'setfenv' cannot change the environment of a thread", 2) end
    f = function_at(level, "setfenv")
  end
  if getinfo(f, "S").what == "C" then error("'setfenv' cannot change environment of given object", 2) end
  set_environment(f, environment)
  return f
end

local getfenv, setfenv = getfenv, setfenv

function debug.getfenv(object)
  if type(object) == "function" then return getfenv(object) end
  return type(object) == "thread" and globals or nil
end

function debug.setfenv(object, environment)
  check(environment, "table", 2, "setfenv")
  if type(object) ~= "function" then error("'setfenv' cannot change environment of given object", 2) end
  return setfenv(object, environment)
end

-- The table of a dotted name, made where it is not there; nil where something else is in the way.
local function table_at(name)
  local place = globals
  for part in gmatch(name, "[^.]+") do
    local inner = rawget(place, part)
    if inner == nil then
      inner = {}
      rawset(place, part, inner)
    end
    if type(inner) ~= "table" then return nil end
    place = inner
  end
  return place
end

-- Makes a module of the file that calls it: a global table, in which the rest of the file runs. Functions that follow its
-- name are given the table.
function module(name, ...)
  if type(name) == "number" then name = format("%s", name) end
  check(name, "string", 1, "module")
  local made = loaded[name]
  if type(made) ~= "table" then
    made = table_at(name)
    if not made then error(format("name conflict for module '%s'", name), 2) end
    loaded[name] = made
  end
  if made._NAME == nil then
    made._NAME, made._M, made._PACKAGE = name, made, match(name, "^(.*%.)[^.]*$") or ""
  end
  local caller = function_at(1, "module")
  if getinfo(caller, "S").what == "C" then error("'module' not called from a Lua function", 2) end
  set_environment(caller, made)
  for i = 1, select("#", ...) do
    local option = select(i, ...)
    if type(option) == "function" then option(made) end
  end
end

-- An option of `module`: what the module does not have is looked for among the globals.
function package.seeall(made)
  check(made, "table", 1, "seeall")
  local metatable = getmetatable(made)
  if not metatable then
    metatable = {}
    setmetatable(made, metatable)
  end
  metatable.__index = globals
end
