-- Lua values to JSON. Strings are bytes: what is not UTF-8 passes unchanged.
local class_of = (...).class_of
local type, next, rawget, rawlen, rawequal = type, next, rawget, rawlen, rawequal
local getmetatable, floor, math_type, huge = getmetatable, math.floor, math.type, math.huge
local gsub, find, format, tostring = string.gsub, string.find, string.format, tostring
local concat = table.concat

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\127"] = "\\u007f", ["/"] = "\\/" }
for code = 0, 31 do
  ESCAPES[string.char(code)] = format("\\u%04x", code)
end
for letter, raw in next, { b = "\b", t = "\t", n = "\n", f = "\f", r = "\r" } do
  ESCAPES[raw] = "\\" .. letter
end

local function quote(settings, text)
  if find(text, '[%c"\\/]') then
    text = gsub(text, settings.escape_slash and '[%c"\\/]' or '[%c"\\]', ESCAPES)
  end
  return '"' .. text .. '"'
end

local function refuse(fail, value, problem)
  fail(format("Cannot serialise %s: %s", type(value), problem))
end

local function number(settings, value, fail)
  if math_type(value) == "integer" then return format("%d", value) end
  if value ~= value or value == huge or value == -huge then
    local invalid = settings.encode_invalid
    if invalid == "null" then return "null" end
    if not invalid then refuse(fail, value, "must not be NaN or Inf") end
    return value ~= value and "NaN" or value > 0 and "Infinity" or "-Infinity"
  end
  return format("%." .. settings.precision .. "g", value)
end

-- The length of a table as a list: the highest key when all keys are whole numbers of 1 and more. -1 for an object.
local function list_length(settings, value, fail)
  local most, count = 0, 0
  for key in next, value do
    if type(key) ~= "number" or key < 1 or floor(key) ~= key then return -1 end
    if key > most then most = key end
    count = count + 1
  end
  local ratio = settings.sparse_ratio
  if ratio > 0 and most > count * ratio and most > settings.sparse_safe then
    if not settings.sparse_convert then refuse(fail, value, "excessively sparse array") end
    return -1
  end
  if count == 0 then
    local mark = getmetatable(value)
    local marked = rawequal(value, settings.empty_array)
      or (mark ~= nil and (rawequal(mark, settings.empty_array_mt) or rawequal(mark, settings.array_mt)))
    return (marked or not settings.empty_as_object) and 0 or -1
  end
  return floor(most)
end

local append

local function append_list(settings, out, n, value, length, depth, fail)
  out[n] = "["
  for i = 1, length do
    if i > 1 then
      n = n + 1
      out[n] = ","
    end
    n = append(settings, out, n + 1, rawget(value, i), depth, fail)
  end
  out[n + 1] = "]"
  return n + 1
end

local function append_object(settings, out, n, value, depth, fail)
  local separator = "{"
  for key, item in next, value do
    local kind, name = type(key), nil
    if kind == "string" then
      name = quote(settings, key)
    elseif kind == "number" then
      name = '"' .. number(settings, key, fail) .. '"'
    else
      refuse(fail, key, "table key must be a number or string")
    end
    out[n] = separator
    out[n + 1] = name
    out[n + 2] = ":"
    n = append(settings, out, n + 3, item, depth, fail) + 1
    separator = ","
  end
  out[n] = separator == "{" and "{}" or "}"
  return n
end

-- Puts the pieces of a value into out from n on, and answers where the last one is.
function append(settings, out, n, value, depth, fail)
  local kind = type(value)
  if kind == "string" then
    out[n] = quote(settings, value)
  elseif kind == "number" then
    out[n] = number(settings, value, fail)
  elseif kind == "boolean" then
    out[n] = value and "true" or "false"
  elseif value == nil or value == settings.null then
    out[n] = "null"
  elseif kind == "table" then
    depth = depth + 1
    if depth > settings.encode_depth then fail(format("Cannot serialise, excessive depth (%d)", depth)) end
    local mark = getmetatable(value)
    -- A class shows its name there. Its insides are no business of anybody's: only an address has a text.
    local class = type(mark) == "string" and class_of(value)
    if class == "ComboAddress" then
      out[n] = quote(settings, tostring(value))
      return n
    elseif class then
      fail("Cannot serialise userdata: type not supported")
    end
    if rawequal(mark, settings.array_mt) then
      return append_list(settings, out, n, value, rawlen(value), depth, fail)
    end
    local length = list_length(settings, value, fail)
    if length >= 0 then return append_list(settings, out, n, value, length, depth, fail) end
    return append_object(settings, out, n, value, depth, fail)
  else
    refuse(fail, value, "type not supported")
  end
  return n
end

return function(settings, value, fail)
  local out = {}
  append(settings, out, 1, value, 0, fail)
  return concat(out)
end
