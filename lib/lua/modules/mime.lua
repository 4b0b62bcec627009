-- LuaSocket's mime, as far as base64 goes. The low-level functions take a rest A and a chunk B; they answer what can be
-- coded of A..B and the new rest. Without B they finish: they code all of A.
local parts = ...
local error, type, format, tostring = error, type, string.format, tostring
local gsub, sub = string.gsub, string.sub
local to_base64, from_base64 = parts.to_base64, parts.from_base64
local cycle = parts.module("ltn12").filter.cycle

local function text(value, position, name)
  if type(value) == "number" then return value .. "" end
  if type(value) ~= "string" then
    error(format("bad argument #%d to '%s' (string expected, got %s)", position, name, type(value)), 3)
  end
  return value
end

local function some(value)
  if value == "" then return nil end
  return value
end

local function b64(a, b)
  if a == nil then return nil, nil end
  a = text(a, 1, "b64")
  if b == nil then return some(to_base64(a)), nil end
  local all = a .. text(b, 2, "b64")
  local whole = #all - #all % 3
  return to_base64(sub(all, 1, whole)), sub(all, whole + 1)
end

-- What is not of the alphabet is skipped, such as line ends; groups of fewer than four characters are not decoded.
local function unb64(a, b)
  if a == nil then return nil, nil end
  a = text(a, 1, "unb64")
  local all = gsub(b == nil and a or a .. text(b, 2, "unb64"), "[^%w+/=]+", "")
  local whole = #all - #all % 4
  -- Each group may have padding of its own, when pieces that were encoded one by one are put together.
  local decoded = gsub(sub(all, 1, whole), "[^=]+=*", from_base64)
  decoded = gsub(decoded, "^=+$", "")
  if b == nil then return some(decoded), nil end
  return decoded, sub(all, whole + 1)
end

-- mime.encode("base64") and mime.decode("base64") are filters for ltn12.
local function filters(kinds)
  return function(name)
    local low = kinds[name == nil and "base64" or name]
    if not low then error(format("unknown key (%s)", tostring(name)), 2) end
    return cycle(low, "")
  end
end

local encodet, decodet = { base64 = b64 }, { base64 = unb64 }
return {
  _VERSION = "MIME 1.0.3",
  b64 = b64,
  unb64 = unb64,
  encode = filters(encodet),
  decode = filters(decodet),
  encodet = encodet,
  decodet = decodet,
}
