-- risk: how unusual a success is, by the score of Freeman et al. (NDSS 2016), as evidence in the alerts of the others. It is
-- about 1 for an average success, and more for an unusual one.
--
-- It alerts by itself only where it is told to, severity medium: no score is right for every site.
local options = {
  threshold = false, -- a score
  per_day = false, -- the score that so many successes a day exceeded in the last 30 days
  learning = "14d", -- for which per_day is silent
}

local DB = "policies_risk_30d"
local STEPS = 8 -- of scores, within a factor of two
local DAYS = 30

local function start(opts)
  for _, name in ipairs({ "threshold", "per_day" }) do
    local value = opts[name]
    if value and not (type(value) == "number" and value > 0) then
      error("policies.use: risk: option '" .. name .. "' must be a number above 0", 0)
    end
  end
  if not opts.per_day then return end
  newStringStatsDB(DB, 86400, DAYS + 1, { successes = "int" })
end

local function score_of(lt, about)
  return getHistory():risk(lt.login, {
    address = about.network,
    asn = about.asn,
    country = about.country,
    device = about.device,
    browser = about.browser,
    os = about.os,
    device_type = about.device_type,
  })
end

local function attach(fields, lt, about)
  if not lt.success or fields.login == nil then return end
  local score = score_of(lt, about)
  if not score then return end
  fields.evidence = fields.evidence or {}
  fields.evidence.risk = math.floor(score * 1000 + 0.5) / 1000
end

local function step_of(score) return math.floor(math.log(math.max(score, 1e-9), 2) * STEPS + 0.5) end

-- The step above which fewer than `per_day` successes a day were, in the last 30 days.
local LOWEST, HIGHEST = -240, 240
local function usual_step(opts)
  local db = getStringStatsDB(DB)
  local left = opts.per_day * DAYS
  for step = HIGHEST, LOWEST, -1 do
    left = left - db:twGet("step " .. step, "successes")
    if left < 0 then return step end
  end
  return LOWEST
end

-- Whether per_day has seen enough: the oldest window in which anything was counted.
local function has_learnt(opts)
  local windows = getStringStatsDB(DB):twGetWindows("all", "successes")
  for day = #windows, 1, -1 do
    if windows[day] > 0 then return (day - 1) * 86400 >= opts.learning end
  end
  return false
end

local function report(lt, about, opts)
  if not (opts.threshold or opts.per_day) or not lt.success or lt.login == "" then return end
  local score = score_of(lt, about)
  if not score then return end
  local exceeds = opts.threshold and score > opts.threshold
  if opts.per_day then
    local step = math.max(LOWEST, math.min(HIGHEST, step_of(score)))
    exceeds = exceeds or (has_learnt(opts) and step > usual_step(opts))
    local db = getStringStatsDB(DB)
    db:twAdd("step " .. step, "successes", 1)
    db:twAdd("all", "successes", 1)
  end
  if exceeds then
    about:alert {
      type = "risk",
      severity = "medium",
      login = lt.login,
      remote = lt.remote,
      key = "risk\0" .. lt.login,
      cooldown = "1h",
      evidence = { risk = math.floor(score * 1000 + 0.5) / 1000 },
    }
  end
end

return { options = options, needs = { history = true }, start = start, report = report, attach = attach }
