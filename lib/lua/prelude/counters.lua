-- StringStatsDB, the counters of wforce. Counting is the host's; here a db is a handle, a table that is empty. Fields are the
-- host's numbers; a negative one says that the key is the bytes of an address.
local host, class, check_self, wrong_type = ...
local type, getmetatable, setmetatable, tointeger, tostring = type, getmetatable, setmetatable, math.tointeger, tostring

local DB, db_class = class("StringStatsDB")

local handles = {} -- by name
local numbers = {} -- of dbs, by handle
local fields_of = {} -- by handle: numbers of fields by name

-- The db of an unknown name: it has every field, and counts nothing.
local nothing = setmetatable({}, db_class)
numbers[nothing] = 0
fields_of[nothing] = setmetatable({}, { __index = function() return 0 end })

function getStringStatsDB(...)
  local name = ...
  local handle = handles[name]
  if handle then return handle end
  local number, fields = host.find(...)
  if not number then return nothing end
  handle = setmetatable({}, db_class)
  handles[name], numbers[handle], fields_of[handle] = handle, number, fields
  return handle
end

-- The number and the key as the host wants them, for keys that are no strings.
local function plain_key(number, key, name)
  if type(key) == "number" then return number, tostring(tointeger(key) or key) end
  if getmetatable(key) ~= "ComboAddress" then wrong_type(key, "string, number or ComboAddress", 1, name, 3) end
  return -number, key[2]
end

-- The value as the host wants it: an address is its text.
local function plain_value(value)
  return getmetatable(value) == "ComboAddress" and value[1] or value
end

-- Methods of a key, a field and a value, and what they are to the host. For twAdd and twSub `times` says how often, of a countmin.
for name, body in pairs({
  twAdd = host.add,
  twSub = host.subtract,
  twGet = host.total,
  twGetCurrent = host.current,
  twGetWindows = host.windows,
}) do
  DB[name] = function(self, key, field, value, times)
    local fields = fields_of[self] or check_self(self, "StringStatsDB", name)
    local number = fields[field] or host.no_field(numbers[self], field, name)
    if type(key) ~= "string" then number, key = plain_key(number, key, name) end
    if type(value) == "table" then value = plain_value(value) end
    return body(number, key, value, times)
  end
end

function DB.twReset(self, key)
  local number = numbers[self] or check_self(self, "StringStatsDB", "twReset")
  if type(key) ~= "string" then number, key = plain_key(number, key, "twReset") end
  return host.reset(number, key)
end

function DB.twResetField(self, key, field)
  local fields = fields_of[self] or check_self(self, "StringStatsDB", "twResetField")
  local number = fields[field] or host.no_field(numbers[self], field, "twResetField")
  if type(key) ~= "string" then number, key = plain_key(number, key, "twResetField") end
  host.reset_field(number, key)
end

-- Methods that have to do with the db as a whole, and what they are to the host.
for name, body in pairs({
  twGetSize = host.size,
  twGetv4Prefix = host.v4_prefix,
  twGetv6Prefix = host.v6_prefix,
  twSetMaxSize = host.set_max_size,
  twSetv4Prefix = host.set_v4_prefix,
  twSetv6Prefix = host.set_v6_prefix,
  twSetExpireSleep = host.set_expire_sleep,
  twEnableReplication = host.enable_replication,
}) do
  DB[name] = function(self, ...)
    check_self(self, "StringStatsDB", name)
    return body(numbers[self], ...)
  end
end
