-- new_country: a success from a country that is unusual for the login. Severity low.
local reports = require("policies.internal.about")

local options = {
  -- A country counts as new again after so long.
  atypical = "30d",
  -- Nothing is new to a login that is not known yet: it must have succeeded for so long, on so many different days.
  learning = "14d",
  days = 5,
}

local function report(lt, about, opts)
  if not lt.success or lt.login == "" or not about.country then return end
  if about:seen("country", about.country, about.t - opts.atypical) then return end
  if not about:is_known_for(opts.learning, opts.days) then return end
  local before = about:seen("country", about.country)
  about:alert {
    type = "new_country",
    severity = "low",
    login = lt.login,
    remote = lt.remote,
    message = string.format("new country: %s from %s", lt.login, about.country),
    key = "new_country\0" .. lt.login .. "\0" .. about.country,
    cooldown = "1h",
    evidence = { country = about.country, city = about.city, last_seen = before and before.last },
  }
end

return { options = options, needs = { history = true, country = true }, check = reports.check_days, report = report }
