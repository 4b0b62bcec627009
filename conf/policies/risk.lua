-- risk: how unusual a success is, by the score of Freeman et al. (NDSS 2016), as evidence in the alerts of the others. It is
-- about 1 for an average success, and more for an unusual one.
--
-- It alerts by itself only where it is told to, severity medium: no score is right for every site.
local history = require("policies.internal.history")

local options = {
  threshold = false, -- a score
  per_day = false, -- the score that so many successes a day exceeded in the last 30 days
  learning = "14d", -- for which per_day is silent
}

local DB = "policies_risk_30d"
local STEPS = 8 -- of scores, within a factor of two
local DAYS = 30

local function check(opts)
  for _, name in ipairs({ "threshold", "per_day" }) do
    local value = opts[name]
    if value and not (type(value) == "number" and value > 0 and value < math.huge) then return name, "must be a number above 0" end
  end
end

local function start(opts)
  if not opts.per_day then return end
  newStringStatsDB(DB, 86400, DAYS + 1, { successes = "int" })
end

local function score_of(lt, about)
  return history.answer(getHistory():risk(lt.login, {
    address = about.network,
    asn = about.asn,
    country = about.country,
    device = about.device,
    browser = about.browser,
    os = about.os,
    device_type = about.device_type,
  }))
end

local function attach(fields, lt, about)
  if not lt.success or fields.login ~= lt.login then return end
  local score = score_of(lt, about)
  if not score then return end
  fields.evidence = fields.evidence or {}
  fields.evidence.risk = math.floor(score * 1000 + 0.5) / 1000
end

local function step_of(score) return math.floor(math.log(math.max(score, 1e-9), 2) * STEPS + 0.5) end

-- Days since the first that is counted, of those that are kept.
local function days_known()
  local windows = getStringStatsDB(DB):twGetWindows("all", "successes")
  for day = #windows, 1, -1 do
    if windows[day] > 0 then return day - 1 end
  end
  return 0
end

-- The step above which fewer than `per_day` successes a day were, in the last 30 days; nil while it learns. Asked once an hour:
-- it takes hundreds of counters.
local LOWEST, HIGHEST = -240, 240
local HOUR = 3600
local usual = {} -- step =, at =

local function find_usual_step(opts)
  local days = days_known()
  if days * 86400 < opts.learning then return nil end
  local db = getStringStatsDB(DB)
  local left = opts.per_day * math.min(days, DAYS)
  for step = HIGHEST, LOWEST, -1 do
    left = left - db:twGet("step " .. step, "successes")
    if left < 0 then return step end
  end
  return LOWEST
end

local function usual_step(opts, now)
  if not usual.at or math.abs(now - usual.at) >= HOUR then usual = { step = find_usual_step(opts), at = now } end
  return usual.step
end

local function count(step)
  local db = getStringStatsDB(DB)
  db:twAdd("step " .. step, "successes", 1)
  db:twAdd("all", "successes", 1)
end

local function report(lt, about, opts)
  if not (opts.threshold or opts.per_day) or not lt.success or lt.login == "" then return end
  local score = score_of(lt, about)
  if not score then return end
  local exceeds = opts.threshold and score > opts.threshold
  if opts.per_day and not about.late then
    local step = math.max(LOWEST, math.min(HIGHEST, step_of(score)))
    local most = usual_step(opts, about.now)
    exceeds = exceeds or (most and step > most)
    count(step)
  end
  if exceeds then
    about:alert {
      type = "risk",
      severity = "medium",
      login = lt.login,
      remote = lt.remote,
      message = string.format("risk: %s has a score of %.1f", lt.login, score),
      key = "risk\0" .. lt.login,
      cooldown = "1h",
      evidence = { risk = math.floor(score * 1000 + 0.5) / 1000 },
    }
  end
end

return { options = options, needs = { history = true }, check = check, start = start, report = report, attach = attach }
