-- impossible_travel: two successes of one login that are further apart than anybody travels in the time between. Severity high,
-- one alert a login and day.
--
-- Only for a network that is new to the login: phone networks and VPNs put one person in two places at once, and are known
-- after the first time. A phone whose networks change all day, beside a laptop on a VPN, is where its login was before: silent
-- is who comes from within reach of any place of the last day.
local history = require("policies.internal.history")

local options = {
  max_speed = 900, -- km/h, an airliner's
  min_distance = 500, -- km: databases are wrong about less
  max_radius = 200, -- km: both accuracy radii are taken off the distance, up to so much each
  own_network = "30d", -- how long a network is known to the login
  others = 5, -- so many other logins from the network within own_network make it a VPN, or a cloud that fetches mail
}

local DAY = 86400
local EARTH = 6371 -- km, mean radius

-- Great-circle distance in km, by the haversine formula.
local function distance(a, b)
  local rad = math.rad
  local dlat, dlon = rad(b.latitude - a.latitude), rad(b.longitude - a.longitude)
  local h = math.sin(dlat / 2) ^ 2 + math.cos(rad(a.latitude)) * math.cos(rad(b.latitude)) * math.sin(dlon / 2) ^ 2
  return 2 * EARTH * math.asin(math.min(1, math.sqrt(h)))
end

-- How far apart and how fast, when it is impossible: km without what the databases may be wrong by, and hours.
local function impossible(from, about, opts)
  local place = about.place
  local latitude, longitude, radius = string.match(from.value, "^(%S+) (%S+) (%S+)$")
  if not latitude then return end
  local before = { latitude = tonumber(latitude), longitude = tonumber(longitude) }
  local slack = math.min(tonumber(radius), opts.max_radius) + math.min(place.radius, opts.max_radius)
  local km, hours = distance(before, place) - slack, (about.t - from.last) / 3600
  if km > opts.min_distance and km > opts.max_speed * hours then return { km = math.floor(km), hours = math.floor(hours * 100) / 100 } end
end

-- The way from the last place, when it is impossible, as is that from each place of the day before.
local function way(places, about, opts)
  local newest = places.newest
  if not newest or newest.last > about.t then return end
  for _, from in pairs(places.values) do
    if from.last > about.t - DAY and not impossible(from, about, opts) then return end
  end
  return impossible(newest, about, opts)
end

local function report(lt, about, opts)
  if not lt.success or lt.login == "" or not about.place or about.anonymous then return end
  if about:seen("address", about.network, about.t - opts.own_network) then return end
  if not way(about:all("place"), about, opts) then return end
  -- Another daemon may have learnt more.
  local evidence = way(about:all("place", true), about, opts)
  if not evidence then return end
  evidence.country, evidence.city = about.country, about.city
  local filter = { net = about.network, success = true, since = about.t - opts.own_network }
  local others = history.answer(getHistory():distinct("login", filter, opts.others + 1))
  if others >= opts.others then return end
  about:alert {
    type = "impossible_travel",
    severity = "high",
    login = lt.login,
    remote = lt.remote,
    key = "impossible_travel\0" .. lt.login,
    cooldown = "24h",
    evidence = evidence,
  }
end

return { options = options, needs = { history = true, city = true }, report = report }
