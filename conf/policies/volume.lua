-- volume: an hour with far more failures than this hour of the week has usually. Severity medium, one alert a day.
local history = require("policies.internal.history")
local median = require("policies.internal.median")

local options = {
  least = 100, -- failures below which no hour is remarkable
  deviations = 6, -- times the median absolute deviation above the median …
  share = 0.1, -- … which counts as at least this share of the median …
  floor = 10, -- … and at least so many failures
  weeks = 2, -- that must be known of this hour: it begins in the third
}

local WEEKS = 9
local HOUR, WEEK = 3600, 7 * 86400

-- Failures of the hour that began at `hour`, and of the same hour, by local time, of the weeks before, as far as they are known.
local function read(hour)
  local filter = { success = false, since = hour - WEEKS * WEEK - HOUR, before = hour + HOUR }
  local series = history.answer(getHistory():series("1h", filter))
  local counts, first = {}, nil
  for _, one in ipairs(series) do
    counts[one.t] = one.count
    if one.count > 0 and not first then first = one.t end
  end
  local now, before = counts[hour] or 0, {}
  local this = os.date("%w %H", hour)
  for week = 1, WEEKS do
    -- An hour earlier or later where summer time begins or ends in between.
    for _, shift in ipairs({ 0, HOUR, -HOUR }) do
      local t = hour - week * WEEK + shift
      if first and t >= first and counts[t] and os.date("%w %H", t) == this then
        before[#before + 1] = counts[t]
        break
      end
    end
  end
  return now, before
end

local function scheduled(opts)
  local hour = os.time() // HOUR * HOUR - HOUR
  -- Most hours are no matter, and the weeks before need not be read.
  local filter = { success = false, since = hour, before = hour + HOUR }
  if history.answer(getHistory():count(filter, math.ceil(opts.least))) < opts.least then return end
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

-- A few minutes behind the hour: rows have been written by then.
return { options = options, needs = { history = true }, at = "5 * * * *", scheduled = scheduled }
