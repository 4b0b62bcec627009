-- password_spray: one network tries many logins. Severity medium, one alert a network and hour.
local options = {
  -- Logins that failed within ten minutes, of those that have not succeeded from there within a week.
  short = 10,
  -- Within a day: a slow one.
  long = 50,
  -- So many times more than logins that succeeded from there in that time: a NAT or a webmail host has many of both.
  ratio = 3,
  -- How long a success makes a login one of the network's own.
  own = "7d",
}

local SHORT, LONG = "policies_spray_10m", "policies_spray_24h"

-- Logins that have only failed are those that were tried less those that succeeded: who mistypes and then gets in is none.
local function start()
  newStringStatsDB(SHORT, 60, 11, { tried = "hll", succeeded = "hll" })
  newStringStatsDB(LONG, 3600, 25, { tried = "hll", succeeded = "hll" })
end

local function report(lt, about, opts)
  if about.late or lt.login == "" or not (about.guess or lt.success) then return end
  local network = about.network
  if about.guess and about:seen("address", network, about.t - opts.own) then return end
  local short, long = getStringStatsDB(SHORT), getStringStatsDB(LONG)
  for _, db in ipairs({ short, long }) do
    db:twAdd(network, "tried", lt.login)
    if lt.success then db:twAdd(network, "succeeded", lt.login) end
  end
  if lt.success then return end
  local function exceeds(db, most)
    local succeeded = db:twGet(network, "succeeded")
    local failed = db:twGet(network, "tried") - succeeded
    if failed >= most and failed > opts.ratio * succeeded then return { failed_logins = failed, succeeded_logins = succeeded } end
  end
  local minutes = exceeds(short, opts.short)
  local evidence = minutes or exceeds(long, opts.long)
  if evidence then
    evidence.within = minutes and "10m" or "24h"
    about:alert { type = "password_spray", severity = "medium", remote = network, key = "password_spray\0" .. network, cooldown = "1h", evidence = evidence }
  end
end

return { options = options, needs = { history = true }, start = start, report = report }
