-- Options of policies: over their defaults, of the same type, and none that is unknown. Durations are texts such as "10m", and
-- become seconds.
local options = {}

-- Filters are options of every policy: see filters.lua.
local FILTERS = { ignore = true, only = true, vip = true }
local SECONDS = { s = 1, m = 60, h = 3600, d = 86400, w = 604800 }
local LONGEST = 3660 * 86400

local function seconds(text)
  local amount, unit = string.match(text, "^(%d+)([smhdw])$")
  local length = amount and tonumber(amount) * SECONDS[unit]
  return length and length > 0 and length <= LONGEST and length or nil
end

function options.refuse(name, option, problem)
  error(name .. ": option '" .. tostring(option) .. "' " .. problem, 0)
end

local function check(name, option, default, value)
  local expected = type(default)
  if default ~= false and type(value) ~= expected then
    options.refuse(name, option, "must be a " .. expected .. ", as " .. tostring(default) .. " is")
  end
  if expected == "number" and not (value >= 0 and value < math.huge) then
    options.refuse(name, option, "must be a number of 0 or more")
  end
  if expected == "string" and seconds(default) and not seconds(value) then
    options.refuse(name, option, "must be a duration such as 30s, 15m, 24h or 90d")
  end
end

-- `defaults` is a table of { name = default }. A default of false stands for an option that is off unless given.
function options.read(name, defaults, given)
  local read, names = {}, {}
  for option, default in pairs(defaults) do
    names[#names + 1] = option
    read[option] = default
  end
  table.sort(names)
  for option, value in pairs(given) do
    if not FILTERS[option] then
      local default = defaults[option]
      if default == nil then
        names[#names + 1] = "ignore, only, vip"
        options.refuse(name, option, "is unknown: there are " .. table.concat(names, ", "))
      end
      check(name, option, default, value)
      read[option] = value
    end
  end
  for option, default in pairs(defaults) do
    if type(default) == "string" and seconds(default) then read[option] = seconds(read[option]) end
  end
  return read
end

return options
