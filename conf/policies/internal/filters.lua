-- Which reports a policy sees, and who is watched closely: ignore, only and vip are tables of logins, networks, countries, asns.
local filters = {}

local KINDS = { logins = true, networks = true, countries = true, asns = true }

-- Logins from there are a site's own machines: webmail, monitoring, proxies.
local PRIVATE = { "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10" }

local function refuse(name, key, problem)
  error("policies.use: " .. name .. ": " .. key .. " " .. problem, 0)
end

-- Sets by kind, networks as a group; nil when nothing is named.
local function read(name, key, given)
  if given == nil then return nil end
  if type(given) ~= "table" then refuse(name, key, "must be a table of logins, networks, countries, asns") end
  local sets = {}
  for kind, values in pairs(given) do
    if not KINDS[kind] then
      refuse(name, key, "has no '" .. tostring(kind) .. "': there are logins, networks, countries, asns")
    end
    if type(values) ~= "table" then refuse(name, key .. "." .. kind, "must be a list") end
    if kind == "networks" then
      sets.networks = newNetmaskGroup()
      for _, network in ipairs(values) do
        local ok, problem = pcall(sets.networks.addMask, sets.networks, network)
        if not ok then refuse(name, key .. ".networks", tostring(problem)) end
      end
    else
      sets[kind] = {}
      for _, value in ipairs(values) do sets[kind][value] = true end
    end
  end
  return sets
end

local function holds(sets, lt, about)
  return sets.logins and sets.logins[lt.login]
    or sets.networks and sets.networks:match(lt.remote)
    or sets.countries and about.country and sets.countries[about.country]
    or sets.asns and about.asn and sets.asns[about.asn]
    or false
end

local Filter = {}
Filter.__index = Filter

-- `name` is the policy's; for all of them it is that of the function, and their ignored networks begin with the private ones.
function filters.new(name, given)
  local filter = setmetatable({}, Filter)
  local ignore = given.ignore
  if name == "policies.use" then
    ignore = {}
    for kind, values in pairs(given.ignore or {}) do ignore[kind] = values end
    ignore.networks = ignore.networks or PRIVATE
    filter.described = table.concat(ignore.networks, " ")
  end
  filter.ignore = read(name, "ignore", ignore)
  filter.only = read(name, "only", given.only)
  filter.vip = read(name, "vip", given.vip)
  return filter
end

function Filter:sees(lt, about)
  if self.ignore and holds(self.ignore, lt, about) then return false end
  return not self.only or holds(self.only, lt, about)
end

function Filter:is_vip(lt, about)
  return self.vip and holds(self.vip, lt, about)
end

return filters
