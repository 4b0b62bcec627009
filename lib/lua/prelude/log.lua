-- The log functions. A table among the fields is shown: an address by its text, others as JSON.
local host, module, class_of = ...
local next, type, tostring, pairs = next, type, tostring, pairs
local wanted = host.wanted
host.wanted = nil

local encode -- of cjson.safe, when it is first needed

local function text_of(value)
  if type(value) ~= "table" then return value end
  local class = class_of(value)
  if class then return class == "ComboAddress" and tostring(value) or class end
  encode = encode or module("cjson.safe").encode
  return encode(value) or "table"
end

local function has_table(fields)
  for _, value in next, fields do
    if type(value) == "table" then return true end
  end
  return false
end

for name, write in pairs(host) do
  _G[name] = function(...)
    local message, fields = ...
    if type(fields) ~= "table" or not has_table(fields) or not wanted(name) then return write(...) end
    local texts = {}
    for key, value in next, fields do
      texts[key] = text_of(value)
    end
    write(message, texts)
  end
end
