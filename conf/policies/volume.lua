-- volume: an hour with far more failures than this hour of the week has usually. Severity medium, one alert a day.
local median = require("policies.internal.median")

local options = {
  least = 100, -- failures below which no hour is remarkable
  deviations = 6, -- times the median absolute deviation above the median …
  share = 0.1, -- … which counts as at least this share of the median …
  floor = 10, -- … and at least so many failures
  weeks = 2, -- that must be known of this hour: it begins in the third
}

local WEEKS = 9
local HOUR = 3600

-- Failures of the hour that began at `hour`, and of the same hour, by local time, of the weeks before.
local function read(hour)
  local series, why = getHistory():series("1h", { success = false, since = hour - WEEKS * 7 * 86400, before = hour + HOUR })
  if not series then error(why, 0) end
  local this = os.date("*t", hour)
  local now, before = 0, {}
  local first
  for _, one in ipairs(series) do
    if one.count > 0 and not first then first = one.t end
    if one.t == hour then
      now = one.count
    elseif first then
      local date = os.date("*t", one.t)
      if date.wday == this.wday and date.hour == this.hour then before[#before + 1] = one.count end
    end
  end
  return now, before
end

local function check(opts)
  local hour = os.time() // HOUR * HOUR - HOUR
  local now, before = read(hour)
  if now < opts.least or #before < opts.weeks then return end
  local middle, deviation = median.of(before)
  local slack = math.max(deviation, opts.share * middle, opts.floor)
  if now <= middle + opts.deviations * slack then return end
  alert {
    type = "volume",
    severity = "medium",
    message = string.format("volume: %d failed logins within an hour, %d are usual", now, middle),
    key = "volume",
    cooldown = "24h",
    policy = "volume",
    evidence = { failures = now, usual = middle, deviation = deviation },
    t = hour + HOUR,
  }
end

local function start(opts)
  setBackground("policies_volume", function() check(opts) end)
  -- A few minutes behind the hour: rows have been written by then.
  cronScheduleBackgroundFunc("5 * * * *", "policies_volume")
end

return { options = options, needs = { history = true }, start = start }
