-- Names of Lua 5.1, as LuaJIT has them, for policies that were written for it. The libraries `math`, `table`, `os` and the
-- functions about environments have chunks of their own.
local wrong_type = ...
local error, type, tonumber, load = error, type, tonumber, load
local gsub, find, unpack_list, floor, collectgarbage = string.gsub, string.find, table.unpack, math.floor, collectgarbage

-- These two raise an error that blames the caller of the function that calls them.
local function check(value, expected, position, name)
  if type(value) ~= expected then wrong_type(value, expected, position, name, 3) end
  return value
end

local function check_number(value, position, name)
  local number = tonumber(value)
  if not number then wrong_type(value, "number", position, name, 3) end
  return number
end

-- Passes on what `pcall(f, ...)` gave for a function of C that the prelude wraps. Called as `return blamed(name, pcall(…))`
-- the error of a wrong argument names the wrapper's caller, as if there were no wrapper.
local function blamed(name, ok, ...)
  if ok then return ... end
  local message = ...
  if type(message) ~= "string" then error(message, 0) end
  message = gsub(message, "^(bad argument #%d+ to )'%?'", "%1'" .. name .. "'")
  local of_arguments = find(message, "^bad argument") or find(message, "^invalid") or find(message, "^wrong number of")
  error(message, of_arguments and 2 or 0)
end

function unpack(list, ...)
  check(list, "table", 1, "unpack")
  return unpack_list(list, ...)
end

function loadstring(text, ...)
  check(text, "string", 1, "loadstring")
  return load(text, ...)
end

string.gfind = string.gmatch

function gcinfo()
  return floor(collectgarbage("count"))
end

return check, check_number, blamed
