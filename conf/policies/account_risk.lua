-- account_risk: alerts below critical that add up on one login, of at least two types. Severity high; once when the sum reaches
-- a bound, and again when it had fallen below the half of it in between. Not in the default set.
local history = require("policies.internal.history")

local options = {
  bound = 20, -- two high ones and another one, or a high one and a few medium ones, within days
  again = 10, -- below which it must have fallen first
  half_life = "7d", -- in which an alert counts half
}

local WEIGHTS = { low = 1, medium = 3, high = 10 }
local WEEKS = 8 -- half-lives after which an alert counts nothing

-- Goes through a login's alerts, the oldest first, with the sum that decays; answers the sum and types now, and whether it has
-- been below the lower bound since account_risk was raised last.
local function sum_up(alerts, now, opts)
  local sum, last, armed = 0, nil, true
  local types, kinds = {}, 0
  for i = #alerts, 1, -1 do
    local one = alerts[i]
    -- Between alerts alone it falls: account_risk has the time of the alert that made it.
    if last and one.first > last then
      sum = sum * 0.5 ^ ((one.first - last) / opts.half_life)
      if sum < opts.again then armed = true end
    end
    last = one.first
    if one.type == "account_risk" then
      armed = false
    elseif WEIGHTS[one.severity] then
      sum = sum + WEIGHTS[one.severity]
      if not types[one.type] then
        types[one.type] = true
        kinds = kinds + 1
      end
    end
  end
  if last then sum = sum * 0.5 ^ ((now - last) / opts.half_life) end
  return sum, kinds, armed
end

local function raised(fields, lt, about, opts, raise)
  if fields.login == nil or fields.type == "account_risk" or not WEIGHTS[fields.severity] then return end
  local since = about.t - WEEKS * opts.half_life
  local alerts = history.answer(getAlerts({ login = fields.login, since = since }, 1000))
  local sum, kinds, armed = sum_up(alerts, about.t, opts)
  if sum < opts.bound or kinds < 2 or not armed then return end
  raise {
    type = "account_risk",
    severity = "high",
    login = fields.login,
    message = string.format("account risk: alerts of %d types add up on %s", kinds, fields.login),
    key = "account_risk\0" .. fields.login,
    cooldown = "1h",
    evidence = { sum = math.floor(sum * 10) / 10, types = kinds },
  }
end

return { options = options, needs = { history = true }, raised = raised }
