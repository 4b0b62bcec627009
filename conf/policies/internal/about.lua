-- What is known of a report besides itself: looked up once, for all policies.
--
--   about.now                 seconds since 1970 by the clock
--   about.t                   when it happened, as its sender has it, and never in the future
--   about.network             the /24 of an IPv4 address, the /64 of an IPv6 one, as text
--   about.guess               a failure that may be a wrong password
--   about.late                its time lags the clock: stored and learnt, and not judged by what counts
--   about.country, asn        nil where they are not known
--   about.place               { latitude =, longitude =, radius = } in degrees and km, or nil
--   about.anonymous           "tor", "vpn", "hosting", "proxy", or nil
--   about.device, browser, os, device_type   names without versions, nil where there is none
--   about:alert(fields)       raises an alert as alert{} does, for the policy that sees the report
--   about:seen(…), all(…)     what is known of the login, see profile.lua
local cache = require("policies.internal.cache")
local options = require("policies.internal.options")
local profile = require("policies.internal.profile")

local reports = {}

local LATE = 600 -- seconds: a sender that was cut off
-- Failures that are no guesses: what the server, the account or a policy is to blame for.
local NO_GUESS = { internal = true, expired = true, disabled = true, policy = true }

local ADDRESSES = 20000
local LOOKED_UP = 3600 -- seconds for which an answer of the databases does, which are replaced now and then
local places = cache.new(ADDRESSES) -- by address
-- Seconds for which what a login has not is not asked again, while it only fails: an attack asks no question each.
local FRESH = 60
local NOW = 1 -- for which an answer is one of this moment: several policies ask the same of a report

local databases = {} -- by kind, the GeoIP2DB or nil
local store -- the history, or nil

-- Names of databases, by kind; see newGeoIP2DB.
local NAMES = { city = "City", country = "Country", asn = "ASN", anonymous = "Anonymous" }

local function check_names(given)
  if type(given) ~= "table" then error("geoip must be a table of names", 0) end
  for kind, name in pairs(given) do
    if not NAMES[kind] then options.refuse("geoip", kind, "is unknown: there are anonymous, asn, city, country") end
    if type(name) ~= "string" then options.refuse("geoip", kind, "must be the name of a database (newGeoIP2DB)") end
  end
end

function reports.start(names)
  check_names(names or {})
  for kind, name in pairs(NAMES) do
    name = names and names[kind] or name
    if hasGeoIP2DB(name) then databases[kind] = getGeoIP2DB(name) end
  end
  local ok, found = pcall(getHistory)
  store = ok and found or nil
  newStringStatsDB("policies_hour", 600, 7, { successes = "int", logins = "hll" })
end

-- What is missing of what a policy needs, in words; nil when all is there.
function reports.missing(needs)
  if not needs then return nil end
  if needs.history and not store then return "a history (newHistory)" end
  if needs.city and not databases.city then return "a GeoIP database of cities (newGeoIP2DB)" end
  if needs.country and not (databases.city or databases.country) then return "a GeoIP database of countries (newGeoIP2DB)" end
  if needs.anonymous and not databases.anonymous then return "a GeoIP database of anonymous networks (newGeoIP2DB)" end
  if needs.asn and not databases.asn then return "a GeoIP database of network operators (newGeoIP2DB)" end
end

function reports.network_of(address)
  return newNetmaskFromCA(address, (address:isIPv4() or address:isMappedIPv4()) and 24 or 64):toStringNetwork()
end

-- Flags of MaxMind's Anonymous IP database, what tells most first. The last one is set with each of the others.
local ANONYMOUS = {
  { kind = "tor", flag = "is_tor_exit_node" },
  { kind = "vpn", flag = "is_anonymous_vpn" },
  { kind = "hosting", flag = "is_hosting_provider" },
  { kind = "proxy", flag = "is_public_proxy" },
  { kind = "proxy", flag = "is_residential_proxy" },
  { kind = "proxy", flag = "is_anonymous" },
}

local function look_up(address, now)
  local found = { network = reports.network_of(address), at = now }
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
    for _, one in ipairs(ANONYMOUS) do
      if not found.anonymous and anonymous:lookupBoolValue(address, { one.flag }) then found.anonymous = one.kind end
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
  self.browser = name_of(attrs["browser.family"]) or name_of(attrs["app.name"]) or name_of(attrs["imapc.family"])
  self.os = name_of(attrs["os.family"])
  self.device_type = name_of(attrs["device.family"])
  if self.browser or self.os then self.device = (self.browser or "?") .. " on " .. (self.os or "?") end
end

-- Raises an alert for the policy that sees the report.
function About:alert(fields) return reports.raise(self, fields) end

-- When this login had a value first and last, or nil; one that was seen before `since`, seconds since 1970, counts as unknown.
-- Of a success the history is asked before it counts as unknown, of a failure once a minute.
function About:seen(feature, value, since)
  return profile.seen(self.login, feature, value, self.now, since or -math.huge, self.lt.success and NOW or FRESH)
end

-- All that is known of a login's feature: values, first, last, newest, count; `fresh` when other daemons may know better.
function About:all(feature, fresh) return profile.all(self.login, feature, self.now, fresh and NOW or nil) end

-- Whether the login has ever succeeded.
function About:has_succeeded() return self:all("address").count > 0 end

-- Whether enough is known of a login to call something unusual: for so many seconds, and successes on so many days.
function About:is_known_for(seconds, days)
  local function is_enough(all) return all.first and all.count >= days and all.first <= self.t - seconds end
  local all, asked = self:all("day")
  return is_enough(all) or not asked and is_enough(self:all("day", true)) or false
end

function reports.about(lt)
  local now = os.time()
  local text = lt.remote:tostring()
  local found = places:get(text)
  if not found or math.abs(now - found.at) > LOOKED_UP then
    found = look_up(lt.remote, now)
    places:set(text, found)
  end
  local about = setmetatable({
    now = now,
    lt = lt,
    t = math.min(lt.t, now),
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

-- Days are counted round, so that a login has at most so many of them.
reports.DAYS = 11

-- For the policies that say nothing of a login before it has succeeded on so many days.
function reports.check_days(opts)
  if opts.days > reports.DAYS then return "days", "must be " .. reports.DAYS .. " or less" end
end

-- Stores a report, and learns from a success what is usual.
function reports.learn(lt, about)
  if not store then return end
  local place = about.place
  store:add(lt, {
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
    day = math.floor(about.t / 86400) % reports.DAYS,
    place = place and not about.anonymous and string.format("%.2f %.2f %d", place.latitude, place.longitude, place.radius) or nil,
  }
  store:learn(lt.login, values, about.t)
  profile.learnt(lt.login, values, about.t)
end

-- A proxy that hides its clients makes one address of all: said once. Successes are counted alone, so that no attack looks like
-- one.
local PROXY_LOGINS, PROXY_SUCCESSES = 20, 200 -- so many that it is no single person, and no quiet hour
local said_proxy

function reports.watch_proxy(lt)
  if said_proxy or not lt.success then return end
  local db = getStringStatsDB("policies_hour")
  local address = lt.remote:tostring()
  db:twAdd("all", "successes", 1)
  db:twAdd(address, "successes", 1)
  db:twAdd(address, "logins", lt.login)
  local of_all, of_one = db:twGet("all", "successes"), db:twGet(address, "successes")
  if of_one < PROXY_SUCCESSES or of_one * 2 <= of_all or db:twGet(address, "logins") < PROXY_LOGINS then return end
  said_proxy = true
  warnLog("Over half of all logins come from one address: a proxy seems to hide the clients, whose addresses it should forward", { remote = lt.remote })
end

return reports
