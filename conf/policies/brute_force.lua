-- brute_force: many different passwords tried on one login. Severity high, one alert a login and day.
--
-- Failures from a network where the login succeeded within the last 30 days are those of a mail client with an old password,
-- and do not count.
local options = {
  -- Different passwords (pwhash) within ten minutes: nobody mistypes as many.
  short = 20,
  -- Within a day: slower, and still beyond what a person tries.
  long = 50,
  -- Failures within a day of reports that have no pwhash: NIST SP 800-63B, 5.2.2, lets an account fail 100 times in a row.
  failures = 100,
  -- A network of the login's own.
  own_network = "30d",
}

-- Windows are as long as the contract of counters needs: a count is there for at least ten minutes, or a day.
local SHORT, LONG = "policies_brute_force_10m", "policies_brute_force_24h"
-- Logins that have never succeeded are counted apart, so that invented names push no real ones out.
local UNKNOWN = "_unknown"

local function start()
  for _, suffix in ipairs({ "", UNKNOWN }) do
    newStringStatsDB(SHORT .. suffix, 60, 11, { hashes = "hll" })
    newStringStatsDB(LONG .. suffix, 3600, 25, { hashes = "hll", failures = "int" })
  end
end

local function report(lt, about, opts)
  if not about.guess or about.late or lt.login == "" then return end
  if about:seen("address", about.network, about.t - opts.own_network) then return end
  local suffix = about:has_succeeded() and "" or UNKNOWN
  local short, long = getStringStatsDB(SHORT .. suffix), getStringStatsDB(LONG .. suffix)
  local evidence
  if lt.pwhash ~= "" then
    short:twAdd(lt.login, "hashes", lt.pwhash)
    long:twAdd(lt.login, "hashes", lt.pwhash)
    local minutes, day = short:twGet(lt.login, "hashes"), long:twGet(lt.login, "hashes")
    if minutes >= opts.short or day >= opts.long then
      evidence = { passwords_10m = minutes, passwords_24h = day }
    end
  else
    long:twAdd(lt.login, "failures", 1)
    local failures = long:twGet(lt.login, "failures")
    if failures >= opts.failures then evidence = { failures_24h = failures } end
  end
  if evidence then
    about:alert { type = "brute_force", severity = "high", login = lt.login, key = "brute_force\0" .. lt.login, cooldown = "24h", evidence = evidence }
  end
end

return { options = options, needs = { history = true }, start = start, report = report }
