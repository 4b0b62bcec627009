-- What the history knows of a login, asked once and then kept: that a value has been seen stays true, so only what is unknown,
-- or seen too long ago, is asked again, and that once a minute at most.
local cache = require("policies.internal.cache")

local profile = {}

local LOGINS = 20000 -- that are remembered; about 1 KB each
local FRESH = 60 -- seconds for which nothing new is expected of other daemons

local known = cache.new(LOGINS) -- by login and feature: { values = { value = last }, first =, last =, count =, asked = }

-- Raised where the history does not answer; init.lua skips the policy then.
local Away = {}
function profile.is_away(problem) return getmetatable(problem) == Away end

local function key_of(login, feature) return feature .. "\0" .. login end

local function fetch(login, feature, now)
  local list, why = getHistory():known(login, feature)
  if not list then error(setmetatable({ why = why }, Away), 0) end
  local entry = { values = {}, count = #list, asked = now }
  for _, one in ipairs(list) do
    entry.values[one.value] = one
    if not entry.first or one.first < entry.first then entry.first = one.first end
    if not entry.last or one.last > entry.last then entry.last = one.last end
  end
  entry.newest = list[1]
  known:set(key_of(login, feature), entry)
  return entry
end

-- All values of a feature; `fresh` when an answer that may be a minute old does not do.
function profile.all(login, feature, now, fresh)
  local entry = known:get(key_of(login, feature))
  if entry and not fresh then return entry end
  if entry and entry.asked == now then return entry end
  return fetch(login, feature, now)
end

-- When a login had a value first and last, in a table, or nil; one that was seen before `since` counts as unknown.
function profile.seen(login, feature, value, now, since)
  local entry = known:get(key_of(login, feature)) or fetch(login, feature, now)
  local one = entry.values[value]
  if one and one.last >= (since or -math.huge) then return one end
  if now - entry.asked > FRESH or now < entry.asked then
    entry = fetch(login, feature, now)
    one = entry.values[value]
  end
  return one and one.last >= (since or -math.huge) and one or nil
end

-- Keeps what the history is told at the same time.
function profile.learnt(login, values, t)
  for feature, value in pairs(values) do
    local entry = known:get(key_of(login, feature))
    if entry then
      local one = entry.values[value]
      if one then
        if t > one.last then one.last = t end
        one.count = one.count + 1
      else
        one = { value = value, count = 1, first = t, last = t }
        entry.values[value] = one
        entry.count = entry.count + 1
      end
      if not entry.newest or one.last >= entry.newest.last then entry.newest = one end
      if not entry.first or t < entry.first then entry.first = t end
      if not entry.last or t > entry.last then entry.last = t end
    end
  end
end

return profile
