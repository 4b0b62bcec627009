-- What the history knows of a login, asked once and then kept: that a value has been seen stays true, so only what is unknown,
-- or seen too long ago, is asked again.
local cache = require("policies.internal.cache")
local history = require("policies.internal.history")

local profile = {}

local LOGINS = 20000 -- that are remembered; about 1 KB each

local known = cache.new(LOGINS) -- by login and feature: { values = { value = one }, first =, last =, count =, asked = }

local function key_of(login, feature) return feature .. "\0" .. login end

local function fetch(login, feature, now)
  local list = history.answer(getHistory():known(login, feature))
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

-- All values of a feature, asked within the last `age` seconds, or ever; and whether it was asked just now.
function profile.all(login, feature, now, age)
  local entry = known:get(key_of(login, feature))
  if entry and (not age or entry.asked <= now and now - entry.asked < age) then return entry end
  return fetch(login, feature, now), true
end

-- When a login had a value first and last, in a table, or nil; one that was seen before `since` counts as unknown. That it is
-- unknown is no older than `age` seconds: other daemons learn, too.
function profile.seen(login, feature, value, now, since, age)
  local entry, asked = profile.all(login, feature, now)
  local one = entry.values[value]
  if not asked and (not one or one.last < since) then one = profile.all(login, feature, now, age).values[value] end
  return one and one.last >= since and one or nil
end

-- Keeps what the history is told at the same time.
function profile.learnt(login, values, t)
  for feature, value in pairs(values) do
    local entry = known:get(key_of(login, feature))
    if entry then
      local one = entry.values[value]
      if one then
        one.first, one.last, one.count = math.min(one.first, t), math.max(one.last, t), one.count + 1
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
