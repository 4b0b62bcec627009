-- The history. It is the host's; here is the one object that stands for it, and what makes plain values of what policies give.
local host, waiting, class, check_self, wrong_type, console = ...
local setmetatable, getmetatable, type, next, error = setmetatable, getmetatable, type, next, error

local History, history_class = class("History")

-- Keys of `extra` that are columns; the rest is kept as JSON.
local COLUMNS = { country = true, asn = true, city = true, latitude = true, longitude = true }

function History.add(self, lt, extra)
  check_self(self, "History", "add")
  if type(lt) ~= "table" then wrong_type(lt, "LoginTuple", 1, "add", 2) end
  local remote = lt.remote
  if getmetatable(remote) ~= "ComboAddress" then
    error("bad argument #1 to 'add' (remote: ComboAddress expected, got " .. type(remote) .. ")", 2)
  end
  local country, asn, city, latitude, longitude, rest
  if extra ~= nil then
    if type(extra) ~= "table" then wrong_type(extra, "table", 2, "add", 2) end
    country, asn, city, latitude, longitude = extra.country, extra.asn, extra.city, extra.latitude, extra.longitude
    for key, value in next, extra do
      if not COLUMNS[key] then
        rest = rest or {}
        rest[key] = value
      end
    end
  end
  return host.add(
    lt.t, lt.login, remote[2], lt.success, lt.policy_reject, lt.tls, lt.fail_type, lt.protocol, lt.device_id,
    country, asn, city, latitude, longitude, rest
  )
end

-- Addresses and networks in a filter as texts.
local function plain(value)
  local name = getmetatable(value)
  if name == "ComboAddress" or name == "Netmask" then return value[1] end
  return value
end

local function plain_filter(filter)
  if type(filter) ~= "table" then return filter end
  local copy = {}
  for key, value in next, filter do
    value = plain(value)
    if type(value) == "table" then
      local list = {}
      for i, item in next, value do list[i] = plain(item) end
      value = list
    end
    copy[key] = value
  end
  return copy
end

-- Methods whose first or second argument is a filter. Calls in tail position, so that errors name the policy's line.
for _, name in next, { "count", "first", "last", "rows" } do
  local ask = waiting[name]
  History[name] = function(self, filter, ...)
    check_self(self, "History", name)
    return ask(plain_filter(filter), ...)
  end
end

for _, name in next, { "distinct", "top", "series" } do
  local ask = waiting[name]
  History[name] = function(self, what, filter, ...)
    check_self(self, "History", name)
    return ask(what, plain_filter(filter), ...)
  end
end

function History.learn(self, login, values, t)
  check_self(self, "History", "learn")
  return host.learn(login, plain_filter(values), t)
end

local known, risk = waiting.known, waiting.risk

function History.known(self, login, feature, value)
  check_self(self, "History", "known")
  return known(login, feature, plain(value))
end

function History.risk(self, login, values)
  check_self(self, "History", "risk")
  return risk(login, plain_filter(values))
end

for _, name in next, { "forget", "export" } do
  local ask = waiting[name]
  History[name] = function(self, ...)
    check_self(self, "History", name)
    return ask(...)
  end
end

-- Console commands that wait before they print.
local function command(name)
  local ask, allowed, print = waiting[name], console.allowed, console.print
  _G[name] = function(...)
    if allowed(name) then print(ask(...)) end
  end
end

command("showHistory")
command("showLogin")
command("backupHistory")

return setmetatable({}, history_class)
