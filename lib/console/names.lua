-- For Tab: the names that a word begins, a line each, among globals or the fields of a value. Runs in whatever daemon the
-- console speaks to, so it uses what every Lua has, and no metamethod of a policy's. Before it stands:
--   local path, word = "a.b", "c"
local MOST, DEEPEST = 500, 10

local value = _G
for name in path:gmatch("[%w_]+") do
  if type(value) ~= "table" then return end
  value = rawget(value, name)
end

local names, seen = {}, {}

local function add(holder)
  if type(holder) ~= "table" then return end
  for name, item in next, holder do
    if #names >= MOST then return end
    local fits = type(name) == "string" and name:find("^[%a_][%w_]*$") and name:sub(1, #word) == word
    if fits and not seen[name] then
      seen[name] = true
      names[#names + 1] = type(item) == "function" and name .. "(" or name
    end
  end
end

add(value)
for _ = 1, DEEPEST do
  local meta = debug.getmetatable(value)
  value = type(meta) == "table" and rawget(meta, "__index")
  if not value then break end
  add(value)
end
table.sort(names)
return table.concat(names, "\n")
