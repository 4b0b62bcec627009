-- lua-cjson 2.1: an instance of the module with settings of its own, made by `new(safe)`. The functions of a safe one
-- answer nil and a message instead of raising. Some settings are OpenResty's.
local parts = ...
local pcall, error, select, type, format, tostring = pcall, error, select, type, string.format, tostring
local getmetatable, setmetatable, rawequal, floor = getmetatable, setmetatable, rawequal, math.floor
local encode_value, decode_text = parts.module("cjson.encode"), parts.module("cjson.decode")

local function wrong(level, position, name, problem)
  error(format("bad argument #%d to '%s' (%s)", position, name, problem), level + 1)
end

-- The coding functions raise a table { message } of this class for what is wrong with their input. Everything else that
-- they may meet, such as the end of the memory, goes on as it is.
local Failure = {}

local function fail(message)
  error(setmetatable({ message }, Failure), 0)
end

local function is_failure(value)
  return type(value) == "table" and rawequal(getmetatable(value), Failure)
end

-- The arguments of one coding function, which takes exactly one.
local function prepare(name, ...)
  if select("#", ...) ~= 1 then wrong(3, 1, name, "expected 1 argument") end
  return (...)
end

local function raising(name, code, settings)
  return function(...)
    local ok, result = pcall(code, settings, prepare(name, ...), fail)
    if ok then return result end
    if is_failure(result) then error(result[1], 2) end
    error(result, 0)
  end
end

local function answering(name, code, settings)
  return function(...)
    local ok, result = pcall(code, settings, prepare(name, ...), fail)
    if ok then return result end
    if is_failure(result) then return nil, result[1] end
    error(result, 0)
  end
end

-- Functions that set and answer a setting. Without an argument they only answer.

local function whole(settings, key, name, least, most)
  return function(value)
    if value ~= nil then
      if type(value) ~= "number" or floor(value) ~= value or value < least or value > most then
        wrong(2, 1, name, format("expected integer between %d and %d", least, most))
      end
      settings[key] = floor(value)
    end
    return settings[key]
  end
end

local SWITCH = { [true] = true, [false] = false, on = true, off = false }

local function switch(settings, key, name, extra, level)
  return function(value)
    if value ~= nil then
      local set = SWITCH[value]
      if set == nil then
        if value ~= extra then wrong(level or 2, 1, name, format("invalid option '%s'", tostring(value))) end
        set = value
      end
      settings[key] = set
    end
    return settings[key]
  end
end

-- encode_sparse_array(convert, ratio, safe)
local function sparse_array(settings)
  local convert = switch(settings, "sparse_convert", "encode_sparse_array", nil, 3)
  local MOST = 2147483647
  return function(new_convert, ratio, safe)
    for position = 2, 3 do
      local value = ({ [2] = ratio, [3] = safe })[position]
      if value ~= nil and (type(value) ~= "number" or floor(value) ~= value or value < 0 or value > MOST) then
        wrong(2, position, "encode_sparse_array", format("expected integer between 0 and %d", MOST))
      end
    end
    convert(new_convert)
    settings.sparse_ratio = ratio or settings.sparse_ratio
    settings.sparse_safe = safe or settings.sparse_safe
    return settings.sparse_convert, settings.sparse_ratio, settings.sparse_safe
  end
end

-- Marks shared by all instances, so that a table marked by one is known to the others.
local array_mt, empty_array_mt = {}, {}
local empty_array = setmetatable({}, { __metatable = false })

local function new(safe)
  local settings = {
    null = parts.null,
    array_mt = array_mt,
    empty_array_mt = empty_array_mt,
    empty_array = empty_array,
    sparse_convert = false,
    sparse_ratio = 2,
    sparse_safe = 10,
    encode_depth = 1000,
    decode_depth = 1000,
    precision = 14,
    encode_invalid = false,
    decode_invalid = true,
    keep_buffer = true,
    empty_as_object = true,
    mark_arrays = false,
    escape_slash = true,
  }
  local coding = safe and answering or raising
  return {
    _NAME = safe and "cjson.safe" or "cjson",
    _VERSION = "2.1.0",
    null = parts.null,
    array_mt = array_mt,
    empty_array_mt = empty_array_mt,
    empty_array = empty_array,
    encode = coding("encode", encode_value, settings),
    decode = coding("decode", decode_text, settings),
    new = function()
      return new(safe)
    end,
    encode_sparse_array = sparse_array(settings),
    encode_max_depth = whole(settings, "encode_depth", "encode_max_depth", 1, 2147483647),
    decode_max_depth = whole(settings, "decode_depth", "decode_max_depth", 1, 2147483647),
    encode_number_precision = whole(settings, "precision", "encode_number_precision", 1, 17),
    encode_keep_buffer = switch(settings, "keep_buffer", "encode_keep_buffer"), -- there is no buffer to keep
    encode_invalid_numbers = switch(settings, "encode_invalid", "encode_invalid_numbers", "null"),
    decode_invalid_numbers = switch(settings, "decode_invalid", "decode_invalid_numbers"),
    encode_empty_table_as_object = switch(settings, "empty_as_object", "encode_empty_table_as_object"),
    decode_array_with_array_mt = switch(settings, "mark_arrays", "decode_array_with_array_mt"),
    encode_escape_forward_slash = switch(settings, "escape_slash", "encode_escape_forward_slash"),
  }
end

return new
