-- A table that forgets: of the entries that were used longest ago, half go at once when there are too many.
local cache = {}

local Cache = {}
Cache.__index = Cache

-- Between `most` and twice as many entries are kept.
function cache.new(most)
  return setmetatable({ most = most, count = 0, young = {}, old = {} }, Cache)
end

function Cache:get(key)
  local value = self.young[key]
  if value == nil then
    value = self.old[key]
    if value ~= nil then self:set(key, value) end
  end
  return value
end

function Cache:set(key, value)
  if self.young[key] == nil then
    if self.count >= self.most then
      self.old, self.young, self.count = self.young, {}, 0
    end
    self.count = self.count + 1
  end
  self.young[key] = value
end

return cache
