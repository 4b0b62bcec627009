-- Alerts. They are the host's; here addresses become the texts that they are.
local host, waiting, console, wrong_type, class_of = ...
local type, next, tostring, error = type, next, tostring, error
local raise, decided, list, show = host.raise, waiting.decided, waiting.getAlerts, waiting.showAlerts
local summarize, test = host.summarize, waiting.testAlertChannel
local allowed, print = console.allowed, console.print

local DEEPEST = 10 -- the host refuses what is deeper

local MOST = 20000 -- values; evidence that is kept cannot hold more

-- A table in which the same table is many times, or itself, is small and has a large copy.
local function plain(fields, name)
  local left = MOST
  local function copy_of(value, level)
    if type(value) ~= "table" or level > DEEPEST then return value end
    if class_of(value) then return tostring(value) end
    local copy = {}
    for key, item in next, value do
      left = left - 1
      if left < 0 then break end
      copy[key] = copy_of(item, level + 1)
    end
    return copy
  end
  local copy = copy_of(fields, 1)
  if left < 0 then error("bad argument #1 to '" .. name .. "' (more than " .. MOST .. " values in its tables)", 3) end
  return copy
end

function alert(fields)
  if type(fields) ~= "table" then wrong_type(fields, "table", 1, "alert", 2) end
  local known, id, why = raise(plain(fields, "alert"))
  if not known then return decided() end
  if id then return id end
  return nil, why
end

function getAlerts(filter, n)
  if filter ~= nil and type(filter) ~= "table" then wrong_type(filter, "table", 1, "getAlerts", 2) end
  return list(plain(filter or {}, "getAlerts"), n)
end

-- `showAlerts(50, { type = "brute_force" })`, either or none of them.
function showAlerts(n, filter)
  if not allowed("showAlerts") then return end
  if type(n) == "table" then n, filter = nil, n end
  if filter ~= nil and type(filter) ~= "table" then wrong_type(filter, "table", 2, "showAlerts", 2) end
  print(show(plain(filter or {}, "showAlerts"), n))
end

function sendSummary(fields)
  if type(fields) ~= "table" then wrong_type(fields, "table", 1, "sendSummary", 2) end
  summarize(plain(fields, 1))
end

function testAlertChannel(name)
  if allowed("testAlertChannel") then print(test(name)) end
end
