-- LuaJIT's `bit` library: 32-bit operations with signed results.
local wrong_type = ...
local tonumber, format = tonumber, string.format
local pack, unpack, rep, sub = string.pack, string.unpack, string.rep, string.sub
local tointeger, select = math.tointeger, select

-- LuaJIT adds this to a number so that the low half of the float is the number modulo 2^32, rounded to nearest even. Beyond
-- 2^51 that gives other bits than a remainder would; policies may rely on them, for hashes for instance.
local MAGIC = 0x1.8p52
local LARGEST = 1 << 51

-- An argument's bits: of the integer, only the low 32 count.
local function bits(value, position, name)
  local integer = tointeger(value)
  if integer and integer >= -LARGEST and integer <= LARGEST then return integer end
  local number = tonumber(value)
  if not number then wrong_type(value, "number", position, name, 3) end
  return (unpack("<i4", pack("<d", number + MAGIC)))
end

local function signed(x)
  return ((x & 0xffffffff) ~ 0x80000000) - 0x80000000
end

bit = {}

function bit.tobit(x)
  return signed(bits(x, 1, "tobit"))
end

function bit.bnot(x)
  return signed(~bits(x, 1, "bnot"))
end

function bit.band(x, ...)
  local result, count = bits(x, 1, "band"), select("#", ...)
  if count == 1 then return signed(result & bits(..., 2, "band")) end
  for i = 1, count do
    result = result & bits((select(i, ...)), i + 1, "band")
  end
  return signed(result)
end

function bit.bor(x, ...)
  local result, count = bits(x, 1, "bor"), select("#", ...)
  if count == 1 then return signed(result | bits(..., 2, "bor")) end
  for i = 1, count do
    result = result | bits((select(i, ...)), i + 1, "bor")
  end
  return signed(result)
end

function bit.bxor(x, ...)
  local result, count = bits(x, 1, "bxor"), select("#", ...)
  if count == 1 then return signed(result ~ bits(..., 2, "bxor")) end
  for i = 1, count do
    result = result ~ bits((select(i, ...)), i + 1, "bxor")
  end
  return signed(result)
end

function bit.lshift(x, n)
  return signed(bits(x, 1, "lshift") << (bits(n, 2, "lshift") & 31))
end

function bit.rshift(x, n)
  return signed((bits(x, 1, "rshift") & 0xffffffff) >> (bits(n, 2, "rshift") & 31))
end

function bit.arshift(x, n)
  return signed(signed(bits(x, 1, "arshift")) // (1 << (bits(n, 2, "arshift") & 31)))
end

local function rotated_left(x, n)
  x, n = x & 0xffffffff, n & 31
  return signed(x << n | x >> (32 - n))
end

function bit.rol(x, n)
  x, n = bits(x, 1, "rol"), bits(n, 2, "rol")
  return rotated_left(x, n)
end

function bit.ror(x, n)
  x, n = bits(x, 1, "ror"), bits(n, 2, "ror")
  return rotated_left(x, -n)
end

function bit.bswap(x)
  x = bits(x, 1, "bswap")
  return signed((x & 0xff) << 24 | (x & 0xff00) << 8 | x >> 8 & 0xff00 | x >> 24 & 0xff)
end

-- The number of digits is that of LuaJIT 2.1: 8 of them, more or fewer if asked for; in capitals if it is negative.
function bit.tohex(x, digits)
  x, digits = bits(x, 1, "tohex") & 0xffffffff, digits == nil and 8 or signed(bits(digits, 2, "tohex"))
  local conversion = "%08x"
  if digits < 0 then conversion, digits = "%08X", -digits end
  if digits > 254 then digits = 254 end
  local text = rep("0", digits - 8) .. format(conversion, x)
  return sub(text, #text - digits + 1)
end

package.loaded.bit = bit
