-- wforce's StringStatsDB. The counts are the host's; here a db is its number there, its name, and its fields' numbers:
--   StringStatsDB { number, name, { field = number } }        the one of an unknown name has number 0, and counts nothing
local host, class, check_self = ...
local setmetatable, getmetatable, type, error, format, tostring = setmetatable, getmetatable, type, error, string.format, tostring

local DB, db_class = class("StringStatsDB")

function getStringStatsDB(...)
  local number, name, names = host.get_db(...)
  local fields = {}
  for i = 1, #names do fields[names[i]] = i end
  return setmetatable({ number, name, fields }, db_class)
end

local function no_field(self, field)
  error(format("StringStatsDB '%s' has no field '%s'", self[2], tostring(field)), 3)
end

-- Addresses are counted as the host writes them: a key is masked by the db's prefix, a value is not.
local function key_of(self, key)
  if type(key) == "table" and getmetatable(key) == "ComboAddress" then return host.address_key(self[1], key[2]) end
  return key
end

local function value_of(value)
  if type(value) == "table" and getmetatable(value) == "ComboAddress" then return value[1] end
  return value
end

for _, name in ipairs { "twAdd", "twSub" } do
  local count = host[name]
  DB[name] = function(self, key, field, value)
    check_self(self, "StringStatsDB", name)
    if self[1] == 0 then return end
    if type(key) == "table" then key = key_of(self, key) end
    if type(value) == "table" then value = value_of(value) end
    count(self[1], key, self[3][field] or no_field(self, field), value)
  end
end

for _, name in ipairs { "twGet", "twGetCurrent" } do
  local get = host[name]
  DB[name] = function(self, key, field, value)
    check_self(self, "StringStatsDB", name)
    if self[1] == 0 then return 0 end
    if type(key) == "table" then key = key_of(self, key) end
    return get(self[1], key, self[3][field] or no_field(self, field), value_of(value))
  end
end

function DB.twGetWindows(self, key, field, value)
  check_self(self, "StringStatsDB", "twGetWindows")
  if self[1] == 0 then return {} end
  return { host.twGetWindows(self[1], key_of(self, key), self[3][field] or no_field(self, field), value_of(value)) }
end

function DB.twReset(self, key)
  check_self(self, "StringStatsDB", "twReset")
  return self[1] ~= 0 and host.twReset(self[1], key_of(self, key))
end

function DB.twResetField(self, key, field)
  check_self(self, "StringStatsDB", "twResetField")
  if self[1] ~= 0 then host.twResetField(self[1], key_of(self, key), self[3][field] or no_field(self, field)) end
end

for _, name in ipairs { "twGetSize", "twGetv4Prefix", "twGetv6Prefix" } do
  local get = host[name]
  DB[name] = function(self)
    check_self(self, "StringStatsDB", name)
    return self[1] == 0 and 0 or get(self[1])
  end
end

for _, name in ipairs { "twSetMaxSize", "twSetv4Prefix", "twSetv6Prefix", "twSetExpireSleep", "twEnableReplication" } do
  local set = host[name]
  DB[name] = function(self, ...)
    check_self(self, "StringStatsDB", name)
    if self[1] ~= 0 then set(self[1], ...) end
  end
end
