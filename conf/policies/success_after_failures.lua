-- success_after_failures: somebody has found the password. Critical when the login's first success from a network comes after
-- that network has tried many passwords on it, or sprayed; high when it comes from any other unknown network within a day of a
-- brute force on the login.
local history = require("policies.internal.history")

local options = {
  -- Different passwords (pwhash) that the network has tried on this login within a day: a person who has forgotten one tries
  -- fewer, and has mostly succeeded from there before.
  passwords = 10,
  -- Failures of reports without pwhash.
  failures = 30,
}

local DB = "policies_tried_24h"
local DAY = 86400

local function start()
  newStringStatsDB(DB, 3600, 25, { hashes = "hll", failures = "int" })
  getStringStatsDB(DB):twSetMaxSize(100000)
end

-- Whether an alert of a type has been raised, or raised again, within a day.
local function alerted(filter, now)
  filter.since = "48h"
  for _, one in ipairs(history.answer(getAlerts(filter, 10))) do
    if one.last >= now - DAY then return one end
  end
end

local function report(lt, about, opts)
  if lt.login == "" or about.late then return end
  local key = lt.login .. "\0" .. about.network
  local db = getStringStatsDB(DB)
  if about.guess then
    if about:seen("address", about.network) then return end
    if lt.pwhash ~= "" then db:twAdd(key, "hashes", lt.pwhash) else db:twAdd(key, "failures", 1) end
    return
  end
  if not lt.success or about:seen("address", about.network) then return end
  local passwords, failures = db:twGet(key, "hashes"), db:twGet(key, "failures")
  local evidence, severity
  if passwords >= opts.passwords or failures >= opts.failures then
    severity, evidence = "critical", { passwords_24h = passwords, failures_24h = failures }
  else
    local spray = alerted({ type = "password_spray", remote = about.network }, about.now)
    local force = not spray and alerted({ type = "brute_force", login = lt.login }, about.now)
    if spray then
      severity, evidence = "critical", { after = "password_spray", alert = spray.id }
    elseif force then
      severity, evidence = "high", { after = "brute_force", alert = force.id }
    end
  end
  if severity then
    about:alert {
      type = "success_after_failures",
      severity = severity,
      login = lt.login,
      remote = lt.remote,
      key = "success_after_failures\0" .. lt.login,
      cooldown = "1h",
      evidence = evidence,
    }
  end
end

return { options = options, needs = { history = true }, start = start, report = report }
