-- JSON to Lua values, with the messages of lua-cjson. Strings are bytes: what is not UTF-8 passes unchanged.
--
-- All state is in arguments: a long run may be interrupted at any point, and another task may decode meanwhile.
local type, tonumber, setmetatable, next = type, tonumber, setmetatable, next
local find, sub, byte, format, lower, match = string.find, string.sub, string.byte, string.format, string.lower, string.match
local utf8_char, concat, floor, huge = utf8.char, table.concat, math.floor, math.huge

-- Whole numbers up to here are exact as floats, as in the Lua of the reference.
local LARGEST_WHOLE = 2.0 ^ 53

local ESCAPES = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

-- What lua-cjson calls what it found instead.
local FOUND = {
  ["{"] = "T_OBJ_BEGIN", ["}"] = "T_OBJ_END", ["["] = "T_ARR_BEGIN", ["]"] = "T_ARR_END",
  [","] = "T_COMMA", [":"] = "T_COLON", [""] = "T_END",
}

local value_at

local function invalid(fail, expected, found, position)
  fail(format("Expected %s but found %s at character %d", expected, found, position))
end

-- \u and four digits at a position, which may be the first half of a pair. Answers the character and what follows it.
local function unicode_escape(text, at)
  local hex = match(text, "^\\u(%x%x%x%x)", at)
  if not hex then return nil end
  local code = tonumber(hex, 16)
  if code & 0xf800 ~= 0xd800 then return utf8_char(code), at + 6 end
  if code & 0x400 ~= 0 then return nil end
  local second = match(text, "^\\u(%x%x%x%x)", at + 6)
  local low = second and tonumber(second, 16)
  if not low or low & 0xfc00 ~= 0xdc00 then return nil end
  return utf8_char(0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff))), at + 12
end

-- The string whose opening quote is before the position. Answers nil, what is wrong and where, when it is none.
local function string_at(text, start)
  local at = find(text, '["\\\0]', start)
  if at and byte(text, at) == 34 then return sub(text, start, at - 1), at + 1 end
  local pieces, n = {}, 0
  while at do
    n = n + 1
    pieces[n] = sub(text, start, at - 1)
    local special = byte(text, at)
    if special == 34 then return concat(pieces), at + 1 end
    if special == 0 then break end
    local escape = sub(text, at + 1, at + 1)
    local character = ESCAPES[escape]
    if character then
      start = at + 2
    elseif escape == "u" then
      character, start = unicode_escape(text, at)
      if not character then return nil, "invalid unicode escape code", at end
    else
      return nil, "invalid escape code", at
    end
    n = n + 1
    pieces[n] = character
    at = find(text, '["\\\0]', start)
  end
  return nil, "unexpected end of string", at or #text + 1
end

-- Numbers as C's strtod takes them. Answers nil when there is none.
local function number_at(settings, text, at)
  if not settings.decode_invalid and find(text, "^-?0[%dxX]", at) then return nil end
  local _, last = find(text, "^-?%d+%.?%d*", at)
  if not last then
    _, last = find(text, "^-?%.%d+", at)
  elseif settings.decode_invalid and find(text, "^-?0[xX]%x", at) then
    _, last = find(text, "^-?0[xX]%x+", at)
  end
  if last then
    local _, exponent = find(text, "^[eE][+-]?%d+", last + 1)
    local value = tonumber(sub(text, at, exponent or last)) + 0.0
    local whole = floor(value)
    if value == 0 and byte(text, at) == 45 then
      value = -0.0 -- an integer has no such sign
    elseif whole == value and value < LARGEST_WHOLE and value > -LARGEST_WHOLE then
      value = whole
    end
    return value, (exponent or last) + 1
  end
  if not settings.decode_invalid then return nil end
  local sign, word = match(text, "^([+-]?)(%a+)", at)
  word = word and lower(word) or ""
  for _, name in next, { "infinity", "inf", "nan" } do
    if sub(word, 1, #name) == name then
      local value = name == "nan" and 0 / 0 or huge
      return sign == "-" and -value or value, at + #sign + #name
    end
  end
  return nil
end

-- What stands at a position, for a message that something else was expected there. Answers its name and its position:
-- a token with a mistake in it is named after the mistake.
local function found_at(settings, text, at)
  local first = sub(text, at, at)
  if FOUND[first] then return FOUND[first], at end
  if first == '"' then
    local value, problem, where = string_at(text, at + 1)
    if value then return "T_STRING", at end
    return problem, where
  end
  if find(first, "[-%d]") then
    return number_at(settings, text, at) and "T_NUMBER" or "invalid number", at
  end
  if match(text, "^true", at) or match(text, "^false", at) then return "T_BOOLEAN", at end
  if match(text, "^null", at) then return "T_NULL", at end
  if first == "\0" and at > #text then return "T_END", at end
  if number_at(settings, text, at) then return "T_NUMBER", at end
  return "invalid token", at
end

local function unexpected(settings, text, at, expected, fail)
  local found, where = found_at(settings, text, at)
  invalid(fail, expected, found, where)
end

local function after_blanks(text, at)
  return find(text, "[^ \t\r\n]", at) or #text + 1
end

local function descend(settings, depth, at, fail)
  if depth > settings.decode_depth then
    fail(format("Found too many nested data structures (%d) at character %d", depth, at))
  end
end

local function object_at(settings, text, at, depth, fail)
  descend(settings, depth, at, fail)
  local object = {}
  at = after_blanks(text, at + 1)
  if byte(text, at) == 125 then return object, at + 1 end
  while true do
    if byte(text, at) ~= 34 then unexpected(settings, text, at, "object key string", fail) end
    local key, after, where = string_at(text, at + 1)
    if not key then invalid(fail, "object key string", after, where) end
    at = after_blanks(text, after)
    if byte(text, at) ~= 58 then unexpected(settings, text, at, "colon", fail) end
    object[key], at = value_at(settings, text, after_blanks(text, at + 1), depth, fail)
    at = after_blanks(text, at)
    local next_byte = byte(text, at)
    if next_byte == 125 then return object, at + 1 end
    if next_byte ~= 44 then unexpected(settings, text, at, "comma or object end", fail) end
    at = after_blanks(text, at + 1)
  end
end

local function list_at(settings, text, at, depth, fail)
  descend(settings, depth, at, fail)
  local list, n = {}, 0
  if settings.mark_arrays then setmetatable(list, settings.array_mt) end
  at = after_blanks(text, at + 1)
  if byte(text, at) == 93 then return list, at + 1 end
  while true do
    n = n + 1
    list[n], at = value_at(settings, text, at, depth, fail)
    at = after_blanks(text, at)
    local next_byte = byte(text, at)
    if next_byte == 93 then return list, at + 1 end
    if next_byte ~= 44 then unexpected(settings, text, at, "comma or array end", fail) end
    at = after_blanks(text, at + 1)
  end
end

function value_at(settings, text, at, depth, fail)
  local first = byte(text, at)
  if first == 34 then
    local value, after, where = string_at(text, at + 1)
    if not value then invalid(fail, "value", after, where) end
    return value, after
  elseif first == 123 then
    return object_at(settings, text, at, depth + 1, fail)
  elseif first == 91 then
    return list_at(settings, text, at, depth + 1, fail)
  elseif first == 116 and sub(text, at, at + 3) == "true" then
    return true, at + 4
  elseif first == 102 and sub(text, at, at + 4) == "false" then
    return false, at + 5
  elseif first == 110 and sub(text, at, at + 3) == "null" then
    return settings.null, at + 4
  end
  if first and first ~= 43 then
    local value, after = number_at(settings, text, at)
    if value and (first ~= 46) then return value, after end
  end
  unexpected(settings, text, at, "value", fail)
end

return function(settings, text, fail)
  if type(text) == "number" then text = text .. "" end
  if type(text) ~= "string" then
    local got = text == nil and "nil" or type(text)
    fail(format("bad argument #1 to 'decode' (string expected, got %s)", got))
  end
  if #text >= 2 and (byte(text, 1) == 0 or byte(text, 2) == 0) then
    fail("JSON parser does not support UTF-16 or UTF-32")
  end
  local value, at = value_at(settings, text, after_blanks(text, 1), 0, fail)
  at = after_blanks(text, at)
  if at <= #text then unexpected(settings, text, at, "the end", fail) end
  return value
end
