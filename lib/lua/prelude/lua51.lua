-- Names of Lua 5.1, as LuaJIT has them, for policies that were written for it.
local host, wrong_type = ...
local error, type, tonumber, pcall, select, load, next = error, type, tonumber, pcall, select, load, next
local string, math, globals, gmatch = string, math, _G, string.gmatch
local gsub, find, format, pack, unpack_bytes = string.gsub, string.find, string.format, string.pack, string.unpack
local fmod, tointeger, number_type, huge = math.fmod, math.tointeger, math.type, math.huge
local getinfo, getupvalue, upvaluejoin = debug.getinfo, debug.getupvalue, debug.upvaluejoin
local unpack_list = table.unpack

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

function math.pow(x, y)
  return check_number(x, 1, "pow") ^ check_number(y, 2, "pow")
end

-- As math.fmod, but a remainder of a division by zero is no error: numbers were floats.
function math.mod(x, y)
  x, y = check_number(x, 1, "mod"), check_number(y, 2, "mod")
  return fmod(x, y == 0 and 0.0 or y)
end

math.log10, math.cosh, math.sinh, math.tanh = host.log10, host.cosh, host.sinh, host.tanh

local EXPONENT = 0x7ff << 52

function math.frexp(x)
  x = check_number(x, 1, "frexp") + 0.0
  if x == 0 or x ~= x or x == huge or x == -huge then return x, 0 end
  local scaled = 0
  if x < 2^-1022 and x > -2^-1022 then -- a subnormal number has no exponent of its own
    x, scaled = x * 2^54, 54
  end
  local bits = unpack_bytes("<i8", pack("<d", x))
  local fraction = unpack_bytes("<d", pack("<i8", bits & ~EXPONENT | 1022 << 52))
  return fraction, (bits >> 52 & 0x7ff) - 1022 - scaled
end

function math.ldexp(x, e)
  x, e = check_number(x, 1, "ldexp"), check_number(e, 2, "ldexp")
  e = tointeger(e - fmod(e, 1)) or (e < 0 and -4096 or 4096)
  -- In steps, since 2^e alone may be out of range; the steps down leave room for all bits, to round only once.
  for _ = 1, 2 do
    if e > 1023 then
      x, e = x * 2^1023, e - 1023
    elseif e < -1022 then
      x, e = x * 2^-969, e + 969
    end
  end
  return x * 2.0^(e > 1023 and 1023 or e < -1022 and -1022 or e)
end

string.gfind = string.gmatch

local WHOLE = { c = true, d = true, i = true, o = true, u = true, x = true, X = true } -- conversions of integers

-- The arguments of a call of `format` made so that Lua 5.4 takes them: fractions cut off where an integer is needed.
local function adapt(text, ...)
  local values, position = { ... }, 0
  for conversion in gmatch(text, "%%[-+ #0]*%d*%.?%d*(.)") do
    if conversion ~= "%" then position = position + 1 end
    local number = WHOLE[conversion] and tonumber(values[position])
    if number and number_type(number) == "float" then values[position] = tointeger(number - fmod(number, 1)) or number end
  end
  return text, unpack_list(values, 1, select("#", ...))
end

-- As Lua 5.4's, but numbers with a fraction are taken for integers, as in 5.1.
function string.format(...)
  local ok, text = pcall(format, ...)
  if ok then return text end
  if type(text) == "string" and find(text, "^bad argument.*no integer representation") then
    return blamed("format", pcall(format, adapt(...)))
  end
  return blamed("format", false, text)
end

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
  local index = environment_index(f)
  if index then
    -- An upvalue of its own: others that share the old one keep their environment.
    upvaluejoin(f, index, function() return environment end, 1)
  end
  return f
end

return blamed
