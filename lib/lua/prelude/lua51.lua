-- Names of Lua 5.1, as LuaJIT has them, for policies that were written for it. The libraries `math`, `os` and the functions
-- about environments have chunks of their own.
local wrong_type = ...
local error, type, tonumber, load, next = error, type, tonumber, load, next
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
  error(message, (find(message, "^bad argument") or find(message, "^invalid")) and 2 or 0)
end

function unpack(list, ...)
  check(list, "table", 1, "unpack")
  return unpack_list(list, ...)
end

function loadstring(text, ...)
  check(text, "string", 1, "loadstring")
  return load(text, ...)
end

function table.getn(list)
  check(list, "table", 1, "getn")
  return #list
end

function table.maxn(list)
  check(list, "table", 1, "maxn")
  local largest = 0
  for key in next, list do
    if type(key) == "number" and key > largest then largest = key end
  end
  return largest
end

function table.foreach(list, f)
  check(list, "table", 1, "foreach")
  check(f, "function", 2, "foreach")
  for key, value in next, list do
    local result = f(key, value)
    if result ~= nil then return result end
  end
end

function table.foreachi(list, f)
  check(list, "table", 1, "foreachi")
  check(f, "function", 2, "foreachi")
  for i = 1, #list do
    local result = f(i, list[i])
    if result ~= nil then return result end
  end
end

string.gfind = string.gmatch

function gcinfo()
  return floor(collectgarbage("count"))
end

return check, check_number, blamed
