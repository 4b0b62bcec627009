-- `table` as 5.1 and LuaJIT have it.
local check, blamed = ...
local type, next, pcall, select, rawset = type, next, pcall, select, rawset
local number_type, fmod, tonumber = math.type, math.fmod, tonumber
local insert, remove = table.insert, table.remove

-- The whole number that a position is, where it is one.
local function position_of(value)
  local number = tonumber(value)
  if number_type(number) == "float" then number = number - fmod(number, 1) end
  return number
end

-- 5.4 refuses positions that lie outside of the list.
function table.insert(...)
  local list, position, value = ...
  local count = select("#", ...)
  if count == 2 and type(list) == "table" then
    list[#list + 1] = position
    return
  end
  local at = count == 3 and type(list) == "table" and position_of(position)
  if not at then return blamed("insert", pcall(insert, ...)) end
  local size = #list
  if at >= 1 and at <= size then return insert(list, at, value) end
  for i = size + 1, at + 1, -1 do
    rawset(list, i, list[i - 1])
  end
  rawset(list, at, value)
end

function table.remove(...)
  local list, position = ...
  local at = position ~= nil and type(list) == "table" and position_of(position)
  if not at then return blamed("remove", pcall(remove, ...)) end
  if at >= 1 and at <= #list then return remove(list, at) end
end

function table.getn(list)
  check(list, "table", 1, "getn")
  return #list
end

function table.maxn(list)
  check(list, "table", 1, "maxn")
  local largest = 0
  for key in next, list do
    if type(key) == "number" and key > largest then largest = key end
  end
  return largest
end

function table.foreach(list, f)
  check(list, "table", 1, "foreach")
  check(f, "function", 2, "foreach")
  for key, value in next, list do
    local result = f(key, value)
    if result ~= nil then return result end
  end
end

function table.foreachi(list, f)
  check(list, "table", 1, "foreachi")
  check(f, "function", 2, "foreachi")
  for i = 1, #list do
    local result = f(i, list[i])
    if result ~= nil then return result end
  end
end
