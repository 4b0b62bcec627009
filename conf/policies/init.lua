-- Ready-made policies. A configuration says which it uses, and has them see each report:
--
--   local policies = require("policies")
--   policies.use { "brute_force", impossible_travel = { max_speed = 900 } }
--   setReport(policies.report)
--
-- Each policy is a file of its own beside this one; its options, with their defaults and the reasons for them, are at its
-- beginning. A function of a site's own is a policy, too: policies.use { mine = { report = function(lt, about) … end } }.
local filters = require("policies.internal.filters")
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
local skipping = {} -- by name, why a policy that could not work was last skipped

-- Policies that learn from what the others have raised, or attach something to it, come last, however they are listed.
local LAST = { account_risk = 2, daily_summary = 1 }

local function load_policy(name, given)
  if type(given) == "table" and type(given.report) == "function" then return given, {} end
  local ok, policy = pcall(require, "policies." .. name)
  if not ok or type(policy) ~= "table" or policy.options == nil then
    if not ok and not tostring(policy):find("not found", 1, true) then error(policy, 0) end
    error("policies.use: there is no policy '" .. name .. "' (conf/policies has one file for each)", 3)
  end
  return policy, given
end

-- Takes names of policies, and policies with options over their defaults. Called from the configuration, once.
function policies.use(list)
  if type(list) ~= "table" then error("policies.use: a table of policies expected", 2) end
  if #used > 0 then error("policies.use: it has been called before: name all policies in one call", 2) end
  local for_all, names = {}, {}
  for key, value in pairs(list) do
    if FOR_ALL[key] then
      for_all[key] = value
    elseif type(key) == "number" then
      if type(value) ~= "string" then error("policies.use: entry " .. key .. ": the name of a policy expected", 2) end
      names[value] = names[value] or {}
    elseif value ~= false then
      names[key] = value == true and {} or value
    end
  end
  shared = filters.new("policies.use", for_all)
  reports.start(for_all.geoip)
  for name, given in pairs(names) do
    if type(given) ~= "table" then error("policies.use: " .. tostring(name) .. ": a table of options expected", 2) end
    local policy, own = load_policy(name, given)
    local read = options.read(name, policy.options or {}, own)
    used[#used + 1] = { name = name, policy = policy, options = read, filter = filters.new(name, own) }
  end
  table.sort(used, function(a, b)
    local i, j = LAST[a.name] or 0, LAST[b.name] or 0
    if i ~= j then return i < j end
    return a.name < b.name
  end)
  addCustomStat("policies_skipped")
  for _, one in ipairs(used) do
    local needs = one.policy.needs
    local missing = reports.missing(type(needs) == "function" and needs(one.options) or needs)
    if missing then
      infoLog("Policy is silent: it needs " .. missing, { policy = one.name })
      one.silent = true
    elseif one.policy.start then
      one.policy.start(one.options, policies)
    end
  end
  infoLog("Policies see no reports from these networks (ignore)", { networks = shared.described })
end

-- Those in use, by name: for policies that look at others.
function policies.uses(name)
  for _, one in ipairs(used) do
    if one.name == name then return not one.silent end
  end
  return false
end

local function skip(one, why)
  incCustomStat("policies_skipped")
  if skipping[one.name] == why then return end
  skipping[one.name] = why
  warnLog("Policy is skipped", { policy = one.name, why = why })
end

-- Calls a function of a policy; a failure is its own. What is away is no failure.
local function run(one, method, ...)
  local ok, problem = pcall(one.policy[method], ...)
  if ok then
    if skipping[one.name] then
      infoLog("Policy works again", { policy = one.name })
      skipping[one.name] = nil
    end
  elseif reports.is_away(problem) then
    skip(one, problem.why)
  else
    errorLog("Policy failed", { policy = one.name, error = tostring(problem) })
  end
end

-- What a policy raises: with its name, its severity over the one it has for those who are watched closely, and what the
-- policies that attach evidence have to say.
local function raise(one, lt, about, fields)
  fields.policy = one.name
  fields.severity = fields.severity or "medium"
  if shared:is_vip(lt, about) or one.filter:is_vip(lt, about) then
    fields.severity = SEVERITIES[math.min((RANKS[fields.severity] or 2) + 1, #SEVERITIES)]
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
