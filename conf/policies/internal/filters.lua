-- Which reports a policy sees, and who is watched closely: ignore, only and vip are tables of logins, networks, countries, asns.
local filters = {}

-- The types of the values.
local KINDS = { logins = "string", networks = "string", countries = "string", asns = "number" }

-- Logins from there are a site's own machines: webmail, monitoring, proxies. For all policies ignore begins with them, and
-- "!10.1.0.0/16" takes a network out again.
local PRIVATE = { "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10" }

local function refuse(name, key, problem) error(name .. ": " .. key .. " " .. problem, 0) end

local function read_networks(name, key, values)
  local group = newNetmaskGroup()
  for _, network in ipairs(values) do
    local ok, problem = pcall(group.addMask, group, network)
    if not ok then refuse(name, key, "has '" .. network .. "': " .. tostring(problem)) end
  end
  return group
end

-- A set by kind, of networks a group; nil when nothing is named.
local function read(name, key, given)
  if given == nil then return nil end
  if type(given) ~= "table" then refuse(name, key, "must be a table of logins, networks, countries, asns") end
  local sets = {}
  for kind, values in pairs(given) do
    if not KINDS[kind] then
      refuse(name, key, "has no '" .. tostring(kind) .. "': there are logins, networks, countries, asns")
    end
    local shown = key .. "." .. kind
    if type(values) ~= "table" then refuse(name, shown, "must be a list") end
    local set = {}
    for i, value in pairs(values) do
      if type(i) ~= "number" or type(value) ~= KINDS[kind] then refuse(name, shown, "must be a list of " .. KINDS[kind] .. "s") end
      set[value] = true
    end
    sets[kind] = kind == "networks" and read_networks(name, shown, values) or set
  end
  return sets
end

-- What an alert is not about does not count.
local function holds(sets, login, address, about)
  return login and sets.logins and sets.logins[login]
    or sets.networks and sets.networks:match(address)
    or sets.countries and about.country and sets.countries[about.country]
    or sets.asns and about.asn and sets.asns[about.asn]
    or false
end

local Filter = {}
Filter.__index = Filter

-- Of a policy, whose name is for messages.
function filters.new(name, given)
  local filter = { ignore = read(name, "ignore", given.ignore), only = read(name, "only", given.only), vip = read(name, "vip", given.vip) }
  return setmetatable(filter, Filter)
end

-- For all policies; the second value is the list of networks that none of them sees.
function filters.for_all(given)
  local filter = filters.new("all policies", given)
  local networks = table.move(PRIVATE, 1, #PRIVATE, 1, {})
  local own = given.ignore and given.ignore.networks or {}
  table.move(own, 1, #own, #networks + 1, networks)
  filter.ignore = filter.ignore or {}
  filter.ignore.networks = read_networks("all policies", "ignore.networks", networks)
  return filter, networks
end

-- Whether it names what takes a GeoIP database.
function Filter:names(kind)
  for _, which in ipairs({ "ignore", "only", "vip" }) do
    if self[which] and self[which][kind] then return true end
  end
  return false
end

function Filter:sees(lt, about)
  if self.ignore and holds(self.ignore, lt.login, lt.remote, about) then return false end
  return not self.only or holds(self.only, lt.login, lt.remote, about)
end

-- Whether an alert is about somebody who is watched closely; `login` is nil for one that is about a network or the site.
function Filter:is_vip(login, lt, about)
  return self.vip and holds(self.vip, login, lt.remote, about)
end

return filters
