-- `math` as LuaJIT has it.
local host, check_number, blamed = ...
local pcall, tonumber, pack, unpack_bytes = pcall, tonumber, string.pack, string.unpack
local atan, fmod, floor, tointeger, number_type, huge =
  math.atan, math.fmod, math.floor, math.tointeger, math.type, math.huge
local random, randomseed = math.random, math.randomseed

-- What takes whole numbers cuts fractions off (whole-arguments.ts). This alone is there to tell whether there is one.
function math.tointeger(x)
  local whole = tointeger(x)
  if whole == nil or whole == x then return whole end
  return whole == tonumber(x) and whole or nil
end

function math.pow(x, y)
  return check_number(x, 1, "pow") ^ check_number(y, 2, "pow")
end

function math.atan2(y, x)
  return atan(check_number(y, 1, "atan2"), check_number(x, 2, "atan2"))
end

-- A remainder of a division by zero is no error: numbers were floats.
local function remainder(name)
  return function(x, y)
    x, y = check_number(x, 1, name), check_number(y, 2, name)
    return fmod(x, y == 0 and 0.0 or y)
  end
end

math.fmod, math.mod = remainder("fmod"), remainder("mod")

-- From numbers with a fraction, and from an interval that is empty, 5.4 has nothing to give.
function math.random(...)
  local low, high = ...
  local one, other = number_type(low), number_type(high)
  if high == nil and one == "float" then
    return floor(random() * low) + 1
  elseif one and other and (one == "float" or other == "float" or low > high) then
    return floor(random() * (high - low + 1)) + low
  end
  return blamed("random", pcall(random, ...))
end

-- Any number will do: all its bits count.
function math.randomseed(...)
  local seed = tonumber((...))
  if number_type(seed) == "float" and tointeger(seed) ~= seed then
    randomseed(unpack_bytes("<i8", pack("<d", seed)))
    return
  end
  local ok, problem = pcall(randomseed, ...)
  if not ok then return blamed("randomseed", ok, problem) end
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

