-- Ready-made policies. A configuration says which it uses, and has them see each report:
--
--   local policies = require("policies")
--   policies.use { "brute_force", impossible_travel = { max_speed = 900 } }
--   setReport(policies.report)
--
-- Each policy is a file of its own beside this one; its options, with their defaults and the reasons for them, are at its
-- beginning. A function of a site's own is a policy, too: policies.use { mine = { report = function(lt, about) … end } },
-- which may have options, needs and start as they have; what about is, is in internal/about.lua.
local filters = require("policies.internal.filters")
local history = require("policies.internal.history")
local options = require("policies.internal.options")
local reports = require("policies.internal.about")

local policies = {}

-- What `use` takes besides policies, for all of them: whom they leave out, whom they see alone, whose alerts are raised by one
-- severity; and the names under which newGeoIP2DB has opened databases.
local FOR_ALL = { ignore = true, only = true, vip = true, geoip = true }

local SEVERITIES = { "low", "medium", "high", "critical" }
local RANKS = { low = 1, medium = 2, high = 3, critical = 4 }

local used = {} -- { name =, policy =, options =, filter = }, in the order in which they see reports
local shared -- the filter for all
local called = false
local skipping = {} -- names of policies that could not work when they were asked last

-- Policies that learn from what the others have raised, or attach something to it, come last, however they are listed.
local LAST = { account_risk = 2, daily_summary = 1 }

-- What a site's own policy has.
local OWN = { report = "function", options = "table", needs = "table", start = "function", ignore = "table", only = "table", vip = "table" }

local function read_own(name, given)
  local policy, filter = { options = {}, needs = given.needs, start = given.start, report = given.report }, {}
  for key, value in pairs(given) do
    if not OWN[key] then options.refuse(name, key, "is unknown: a policy of your own has report, options, needs, start, ignore, only, vip") end
    if type(value) ~= OWN[key] then options.refuse(name, key, "must be a " .. OWN[key]) end
    if key == "ignore" or key == "only" or key == "vip" then filter[key] = value end
  end
  return { name = name, policy = policy, options = given.options or {}, filter = filters.new(name, filter) }
end

local function read_policy(name, given)
  if type(given) ~= "table" then error(name .. ": a table of options expected", 0) end
  if given.report ~= nil then return read_own(name, given) end
  local module = "policies." .. name
  local ok, policy = pcall(require, module)
  if not ok and not tostring(policy):find("module '" .. module .. "' not found", 1, true) then error(policy, 0) end
  if not ok or type(policy) ~= "table" or policy.options == nil then
    error("there is no policy '" .. name .. "' (each has a file in the folder policies)", 0)
  end
  local read = options.read(name, policy.options, given)
  if policy.check then
    local option, problem = policy.check(read)
    if option then options.refuse(name, option, problem) end
  end
  return { name = name, policy = policy, options = read, filter = filters.new(name, given) }
end

-- Takes the list apart: what is for all policies, and the options by name.
local function read_list(list)
  if type(list) ~= "table" then error("a table of policies expected", 0) end
  local for_all, names = {}, {}
  for key, value in pairs(list) do
    if FOR_ALL[key] then
      for_all[key] = value
    elseif type(key) == "number" then
      if type(value) ~= "string" then error("entry " .. key .. ": the name of a policy expected", 0) end
      names[value] = names[value] or {}
    elseif value ~= false then
      names[key] = value == true and {} or value
    end
  end
  return for_all, names
end

local function skip(one, why)
  incCustomStat("policies_skipped")
  if skipping[one.name] then return end
  skipping[one.name] = true
  warnLog("Policy is skipped", { policy = one.name, why = why })
end

-- Calls a function of a policy; a failure is its own. What is away is no failure.
local function run(one, method, ...)
  local answered = history.answered
  local ok, problem = pcall(one.policy[method], ...)
  if ok then
    if skipping[one.name] and history.answered > answered then
      infoLog("Policy works again", { policy = one.name })
      skipping[one.name] = nil
    end
  elseif history.is_away(problem) then
    skip(one, problem)
  else
    errorLog("Policy failed", { policy = one.name, error = tostring(problem) })
  end
end

-- Has a policy begin, unless it needs what is not there.
local function start(one)
  local policy, opts = one.policy, one.options
  local needs = policy.needs
  local missing = reports.missing(type(needs) == "function" and needs(opts) or needs)
  one.silent = missing ~= nil
  if missing then return infoLog("Policy is silent: it needs " .. missing, { policy = one.name }) end
  if policy.start then policy.start(opts) end
  if policy.scheduled then
    local name = "policies_" .. one.name
    setBackground(name, function() run(one, "scheduled", opts) end)
    cronScheduleBackgroundFunc(opts.at or policy.at, name)
  end
end

-- Says where a filter names what no database tells.
local function check_filter(name, filter)
  for kind, need in pairs({ countries = "country", asns = "asn" }) do
    local missing = filter:names(kind) and reports.missing({ [need] = true })
    if missing then infoLog("Filter has no effect: " .. kind .. " needs " .. missing, { policy = name }) end
  end
end

local function use(list)
  if called then error("it has been called before: name all policies in one call", 0) end
  called = true
  local for_all, names = read_list(list)
  local networks
  shared, networks = filters.for_all(for_all)
  for name, given in pairs(names) do used[#used + 1] = read_policy(name, given) end
  reports.start(for_all.geoip)
  table.sort(used, function(a, b)
    local i, j = LAST[a.name] or 0, LAST[b.name] or 0
    if i ~= j then return i < j end
    return a.name < b.name
  end)
  addCustomStat("policies_skipped")
  infoLog("Policies see no reports from these networks (ignore)", { networks = table.concat(networks, " ") })
  check_filter("all policies", shared)
  for _, one in ipairs(used) do
    check_filter(one.name, one.filter)
    start(one)
  end
end

-- Takes names of policies, and policies with options over their defaults. Called from the configuration, once.
function policies.use(list)
  local ok, problem = pcall(use, list)
  if not ok then error("policies.use: " .. tostring(problem), 2) end
end

-- What a policy raises: with its name, its severity over the one it has for those who are watched closely, and what the
-- policies that attach evidence have to say.
local function raise(one, lt, about, fields)
  fields.policy = one.name
  if fields.login == "" then fields.login = nil end
  fields.severity = fields.severity or "medium"
  local rank = RANKS[fields.severity]
  if rank and (shared:is_vip(fields.login, lt, about) or one.filter:is_vip(fields.login, lt, about)) then
    fields.severity = SEVERITIES[math.min(rank + 1, #SEVERITIES)]
  end
  for _, other in ipairs(used) do
    if other.policy.attach and not other.silent and other ~= one then
      run(other, "attach", fields, lt, about, other.options)
    end
  end
  local id, why = alert(fields)
  if id then
    for _, other in ipairs(used) do
      if other.policy.raised and not other.silent and other ~= one then
        run(other, "raised", fields, lt, about, other.options, function(more) return raise(other, lt, about, more) end)
      end
    end
  end
  return id, why
end

function reports.raise(about, fields) return raise(about.seen_by, about.lt, about, fields) end

-- The report function.
function policies.report(lt)
  local about = reports.about(lt)
  reports.watch_proxy(lt)
  if shared:sees(lt, about) then
    for _, one in ipairs(used) do
      if one.policy.report and not one.silent and one.filter:sees(lt, about) then
        about.seen_by = one
        run(one, "report", lt, about, one.options)
      end
    end
  end
  reports.learn(lt, about)
end

return policies
