-- distributed_spray: many networks try many logins, a few passwords each, so that no network and no login stands out. Severity
-- high, one alert an hour for the site.
--
-- Counted are failures of logins that have never succeeded from the network, within a quarter of an hour. The first four bounds
-- are those of Elastic's rule for the same; a hash of a password is compared within one login only, as Dovecot hashes the login
-- into it. Who mistypes and then gets in is taken out again: of a site that has just begun all logins are new.
local median = require("policies.internal.median")

local options = {
  attempts = 25, -- of the site
  networks = 5, -- from which they come
  logins = 8, -- at which they aim
  attempts_a_login = 5, -- in the mean; more are brute force
  -- How many times the median absolute deviation the attempts must be above the median of this quarter hour of the last
  -- 7 days: a site whose users mistype a lot has its own usual.
  deviations = 6,
}

local NOW, USUAL = "policies_distributed_15m", "policies_distributed_usual"
local TRIED = "policies_distributed_tried" -- by login and network
local QUARTERS, DAYS = 96, 7

local function start()
  newStringStatsDB(NOW, 60, 16, { attempts = "int", networks = "hll", logins = "hll" })
  newStringStatsDB(USUAL, 900, QUARTERS * DAYS + 1, { attempts = "int" })
  newStringStatsDB(TRIED, 60, 16, { attempts = "int" })
end

-- Attempts in this quarter hour of the days before.
local function usual()
  local windows = getStringStatsDB(USUAL):twGetWindows("site", "attempts")
  local values = {}
  for day = 1, DAYS do values[day] = windows[1 + day * QUARTERS] or 0 end
  return median.of(values)
end

-- A login got in where it had failed. So many failures that no person has made them stay: with an account of their own nobody
-- is to make room for a spray.
local function forgive(key, opts)
  local tried = getStringStatsDB(TRIED)
  local attempts = tried:twGet(key, "attempts")
  if attempts == 0 or attempts > opts.attempts_a_login then return end
  tried:twReset(key)
  for _, name in ipairs({ NOW, USUAL }) do getStringStatsDB(name):twSub("site", "attempts", attempts) end
end

local function report(lt, about, opts)
  if about.late or lt.login == "" or not (about.guess or lt.success) or about:seen("address", about.network) then return end
  local key = lt.login .. "\0" .. about.network
  if lt.success then return forgive(key, opts) end
  local db = getStringStatsDB(NOW)
  getStringStatsDB(TRIED):twAdd(key, "attempts", 1)
  db:twAdd("site", "attempts", 1)
  db:twAdd("site", "networks", about.network)
  db:twAdd("site", "logins", lt.login)
  getStringStatsDB(USUAL):twAdd("site", "attempts", 1)
  local attempts = db:twGet("site", "attempts")
  if attempts < opts.attempts then return end
  local networks, logins = db:twGet("site", "networks"), db:twGet("site", "logins")
  if networks < opts.networks or logins < opts.logins or attempts > opts.attempts_a_login * logins then return end
  local middle, deviation = usual()
  if attempts <= middle + opts.deviations * deviation then return end
  about:alert {
    type = "distributed_spray",
    severity = "high",
    message = string.format("distributed spray: %d attempts at %d logins from %d networks within 15 minutes", attempts, logins, networks),
    key = "distributed_spray",
    cooldown = "1h",
    evidence = { attempts = attempts, networks = networks, logins = logins, usual = middle, deviation = deviation },
  }
end

return { options = options, needs = { history = true }, start = start, report = report }
