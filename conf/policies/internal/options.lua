-- Options of policies: over their defaults, of the same type, and none that is unknown. Durations are texts such as "10m", and
-- become seconds.
local options = {}

-- Filters are options of every policy: see filters.lua.
local FILTERS = { ignore = true, only = true, vip = true }
local SECONDS = { s = 1, m = 60, h = 3600, d = 86400, w = 604800 }

function options.seconds(text)
  local amount, unit = string.match(text, "^(%d+)([smhdw])$")
  return amount and tonumber(amount) * SECONDS[unit]
end

local function refuse(name, option, problem)
  error("policies.use: " .. name .. ": option '" .. option .. "' " .. problem, 4)
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
    option = tostring(option)
    if not FILTERS[option] and option ~= "report" then
      local default = defaults[option]
      if default == nil then
        refuse(name, option, "is unknown: there are " .. table.concat(names, ", ") .. ", ignore, only, vip")
      end
      local expected = type(default)
      if default ~= false and type(value) ~= expected then
        refuse(name, option, "must be a " .. expected .. ", as " .. tostring(default) .. " is")
      end
      if expected == "number" and not (value >= 0 and value < math.huge) then
        refuse(name, option, "must be a number of 0 or more")
      end
      read[option] = value
    end
  end
  for option, value in pairs(read) do
    local default = defaults[option]
    if type(default) == "string" and options.seconds(default) then
      read[option] = options.seconds(value)
      if not read[option] or read[option] == 0 then
        refuse(name, option, "must be a duration such as 30s, 15m, 24h or 90d")
      end
    end
  end
  return read
end

return options
