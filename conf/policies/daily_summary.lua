-- daily_summary: each morning what the day before had: alerts by type, the logins and networks with the most failures. It is no
-- alert: it goes into the log, and to channels with summary = true.
local history = require("policies.internal.history")
local reports = require("policies.internal.about")

local options = {
  at = "0 7 * * *", -- as cron has it, in local time
  shown = 5, -- logins and networks
}

local DAY = 86400
local ALERTS = 1000 -- the newest, of which types are counted
local ADDRESSES = 500 -- with the most failures, of which networks are made

local function by_type(alerts)
  local counts, types = {}, {}
  for _, one in ipairs(alerts) do
    if not counts[one.type] then types[#types + 1] = one.type end
    counts[one.type] = (counts[one.type] or 0) + 1
  end
  table.sort(types, function(a, b) return counts[a] > counts[b] or counts[a] == counts[b] and a < b end)
  local list = {}
  for i, name in ipairs(types) do list[i] = { value = name, count = counts[name] } end
  return list
end

local function by_network(addresses)
  local counts, networks = {}, {}
  for _, one in ipairs(addresses) do
    local network = reports.network_of(newCA(one.value))
    if not counts[network] then networks[#networks + 1] = network end
    counts[network] = (counts[network] or 0) + one.count
  end
  table.sort(networks, function(a, b) return counts[a] > counts[b] or counts[a] == counts[b] and a < b end)
  local list = {}
  for i, network in ipairs(networks) do list[i] = { value = network, count = counts[network] } end
  return list
end

local function first(list, n) return table.move(list, 1, math.min(n, #list), 1, {}) end

local function line(title, list)
  if #list == 0 then return title .. ": none" end
  local parts = {}
  for i, one in ipairs(list) do parts[i] = one.count .. " " .. one.value end
  return title .. ": " .. table.concat(parts, ", ")
end

local function scheduled(opts)
  local since = os.time() - DAY
  local filter = { success = false, since = since }
  local alerts = history.answer(getAlerts({ since = since }, ALERTS))
  local logins = history.answer(getHistory():top("login", filter, opts.shown))
  local addresses = history.answer(getHistory():top("remote", filter, ADDRESSES))
  local types = by_type(alerts)
  local networks = first(by_network(addresses), opts.shown)
  sendSummary {
    type = "daily_summary",
    message = table.concat({
      line("alerts of the last day" .. (#alerts == ALERTS and " (the newest 1000)" or ""), types),
      line("most failures by login", logins),
      line("most failures by network", networks),
    }, "\n"),
    evidence = { alerts = types, logins = logins, networks = networks },
  }
end

return { options = options, needs = { history = true }, scheduled = scheduled }
