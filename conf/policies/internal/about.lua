-- What is known of a report besides itself: looked up once, for all policies.
--
--   about.now                 seconds since 1970 by the clock
--   about.network             the /24 of an IPv4 address, the /64 of an IPv6 one, as text
--   about.guess               a failure that may be a wrong password
--   about.late                its time lags the clock: stored and learnt, and not judged by what counts
--   about.country, asn        nil where they are not known
--   about.place               { latitude =, longitude =, radius = } in degrees and km, or nil
--   about.anonymous           "tor", "vpn", "hosting", or nil
--   about.device, browser, os, device_type   names without versions, nil where there is none
--   about:alert(fields)       raises an alert as alert{} does, for the policy that sees the report
--   about:seen(…), all(…)     what is known of the login, see profile.lua
local cache = require("policies.internal.cache")
local profile = require("policies.internal.profile")

local reports = {}

local LATE = 600 -- seconds: a sender that was cut off
-- Failures that are no guesses: what the server, the account or a policy is to blame for.
local NO_GUESS = { internal = true, expired = true, disabled = true, policy = true }

local ADDRESSES = 20000
local places = cache.new(ADDRESSES) -- by address

local databases = {} -- by kind, the GeoIP2DB or nil
local history

-- Names of databases, by kind; see newGeoIP2DB.
local NAMES = { city = "City", country = "Country", asn = "ASN", anonymous = "Anonymous" }

function reports.start(given)
  if given ~= nil and type(given) ~= "table" then error("policies.use: geoip must be a table of names", 3) end
  for kind in pairs(given or {}) do
    if not NAMES[kind] then error("policies.use: geoip has no '" .. tostring(kind) .. "': there are city, country, asn, anonymous", 3) end
  end
  for kind, name in pairs(NAMES) do
    name = given and given[kind] or name
    if hasGeoIP2DB(name) then databases[kind] = getGeoIP2DB(name) end
  end
  local ok, found = pcall(getHistory)
  history = ok and found or nil
  newStringStatsDB("policies_hour", 600, 7, { reports = "int", logins = "hll" })
end

-- What is missing of what a policy needs, in words; nil when all is there.
function reports.missing(needs)
  if not needs then return nil end
  if needs.history and not history then return "a history (newHistory)" end
  if needs.city and not databases.city then return "a GeoIP database of cities (newGeoIP2DB)" end
  if needs.country and not (databases.city or databases.country) then return "a GeoIP database of countries (newGeoIP2DB)" end
  if needs.anonymous and not databases.anonymous then return "a GeoIP database of anonymous networks (newGeoIP2DB)" end
end

reports.is_away = profile.is_away

function reports.network_of(address)
  return newNetmaskFromCA(address, (address:isIPv4() or address:isMappedIPv4()) and 24 or 64):toStringNetwork()
end

local function look_up(address)
  local found = { network = reports.network_of(address) }
  local city, asn, anonymous = databases.city, databases.asn, databases.anonymous
  if city then
    local record = city:lookupCity(address)
    if record.country_code ~= "" then found.country = record.country_code end
    if record.latitude ~= 0 or record.longitude ~= 0 then
      local radius = city:lookupUIntValue(address, { "location", "accuracy_radius" })
      found.city = record.city ~= "" and record.city or nil
      found.place = { latitude = record.latitude, longitude = record.longitude, radius = radius }
    end
  elseif databases.country then
    local country = databases.country:lookupCountry(address)
    if country ~= "" then found.country = country end
  end
  if asn then
    local number = asn:lookupUIntValue(address, { "autonomous_system_number" })
    if number ~= 0 then found.asn = number end
  end
  if anonymous then
    for _, kind in ipairs({ "tor", "vpn", "hosting" }) do
      local flag = kind == "tor" and "is_tor_exit_node" or kind == "vpn" and "is_anonymous_vpn" or "is_hosting_provider"
      if not found.anonymous and anonymous:lookupBoolValue(address, { flag }) then found.anonymous = kind end
    end
  end
  return found
end

local function name_of(text)
  return text ~= nil and text ~= "" and text ~= "Other" and text or nil
end

local About = {}
About.__index = About

-- Names without versions: "Thunderbird on Windows".
function About:look_at_device(lt)
  local attrs = lt.device_attrs
  self.browser = name_of(attrs["browser.family"]) or name_of(attrs["app.name"]) or name_of(attrs["imapc.name"]) or name_of(attrs["name"])
  self.os = name_of(attrs["os.family"]) or name_of(attrs["os"])
  self.device_type = name_of(attrs["device.family"])
  if self.browser or self.os then self.device = (self.browser or "?") .. " on " .. (self.os or "?") end
end

-- Raises an alert for the policy that sees the report.
function About:alert(fields) return reports.raise(self, fields) end

-- When this login had a value first and last, or nil; `since` seconds since 1970.
function About:seen(feature, value, since) return profile.seen(self.login, feature, value, self.now, since) end

-- All that is known of a login's feature: values, first, last, newest, count.
function About:all(feature, fresh) return profile.all(self.login, feature, self.now, fresh) end

-- Whether the login has ever succeeded.
function About:has_succeeded() return self:all("address").count > 0 end

-- Whether enough is known of a login to call something unusual: for so many days, and successes on so many of them.
function About:is_known_for(seconds, days)
  local all = self:all("day")
  return all.count >= days and all.first <= self.t - seconds
end

function reports.about(lt)
  local text = lt.remote:tostring()
  local found = places:get(text)
  if not found then
    found = look_up(lt.remote)
    places:set(text, found)
  end
  local now = os.time()
  local about = setmetatable({
    now = now,
    lt = lt,
    t = lt.t,
    login = lt.login,
    network = found.network,
    country = found.country,
    city = found.city,
    place = found.place,
    asn = found.asn,
    anonymous = found.anonymous,
    late = now - lt.t > LATE,
    guess = not lt.success and not lt.policy_reject and not NO_GUESS[lt.fail_type],
  }, About)
  if lt.success then about:look_at_device(lt) end
  return about
end

-- Stores a report, and learns from a success what is usual. Days are counted round, so that a login has at most a few of them.
local DAYS = 11

function reports.learn(lt, about)
  if not history then return end
  local place = about.place
  history:add(lt, {
    country = about.country,
    asn = about.asn,
    city = about.city,
    latitude = place and place.latitude,
    longitude = place and place.longitude,
  })
  if not lt.success or lt.login == "" then return end
  local values = {
    address = about.network,
    country = about.country,
    asn = about.asn,
    device = about.device,
    browser = about.browser,
    os = about.os,
    device_type = about.device_type,
    day = math.floor(lt.t / 86400) % DAYS,
    place = place and string.format("%.2f %.2f %d", place.latitude, place.longitude, place.radius),
  }
  history:learn(lt.login, values, lt.t)
  profile.learnt(lt.login, values, lt.t)
end

-- A proxy that hides its clients makes one address of all: said once.
local PROXY_LOGINS, PROXY_REPORTS = 20, 200 -- so many that it is no single person, and no quiet hour
local said_proxy

function reports.watch_proxy(lt)
  if said_proxy then return end
  local db = getStringStatsDB("policies_hour")
  local address = lt.remote:tostring()
  db:twAdd("all", "reports", 1)
  db:twAdd(address, "reports", 1)
  db:twAdd(address, "logins", lt.login)
  local of_all, of_one = db:twGet("all", "reports"), db:twGet(address, "reports")
  if of_one < PROXY_REPORTS or of_one * 2 <= of_all or db:twGet(address, "logins") < PROXY_LOGINS then return end
  said_proxy = true
  warnLog("Over half of all logins come from one address: a proxy seems to hide the clients, whose addresses it should forward", { remote = lt.remote })
end

return reports
