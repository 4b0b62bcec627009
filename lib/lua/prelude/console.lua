-- The console: print goes to the answer, and what a chunk returns is made readable.
local host = ...
local print_outside = print
local select, type, tostring, pairs, next, sort, concat = select, type, tostring, pairs, next, table.sort, table.concat
local format, gsub, find, rep = string.format, string.gsub, string.find, string.rep
local metatable_of, number_type = debug.getmetatable, math.type
local listening, print_answer = host.listening, host.print

local WIDTH = 80 -- columns: a longer table gets a line for each entry
local MOST_VALUES = 5000 -- of one answer: more than fit into it
local DEEPEST = 20

function print(...)
  if not listening() then return print_outside(...) end
  local texts = { ... }
  for i = 1, select("#", ...) do texts[i] = tostring((select(i, ...))) end
  print_answer(concat(texts, "\t") .. "\n")
end

local function quote(text)
  return (gsub(format("%q", text), "\\\n", "\\n"))
end

local function key_text(key)
  if type(key) ~= "string" then return "[" .. tostring(key) .. "]" end
  return find(key, "^[%a_][%w_]*$") and key or "[" .. quote(key) .. "]"
end

-- Numbers in order, then everything else by its text.
local function before(a, b)
  if type(a) == "number" and type(b) == "number" then return a < b end
  if type(a) ~= type(b) then return type(a) == "number" or type(b) ~= "number" and type(a) < type(b) end
  return tostring(a) < tostring(b)
end

local render

-- The entries of a table as texts: the list first, without its keys.
local function render_entries(value, state, depth)
  local copy, keys, cut = {}, {}, false
  for key, item in pairs(value) do
    if state.left <= #keys then
      cut = true
      break
    end
    copy[key] = item
    keys[#keys + 1] = key
  end
  local list = 0
  while copy[list + 1] ~= nil do list = list + 1 end
  sort(keys, before)
  local texts = {}
  for i = 1, list do texts[i] = render(copy[i], state, depth) end
  for _, key in next, keys do
    local listed = number_type(key) == "integer" and key >= 1 and key <= list
    if not listed then texts[#texts + 1] = key_text(key) .. " = " .. render(copy[key], state, depth) end
  end
  if cut then texts[#texts + 1] = "…" end
  return texts
end

function render(value, state, depth)
  state.left = state.left - 1
  if type(value) == "string" then return quote(value) end
  local meta = metatable_of(value)
  if type(value) ~= "table" or meta and meta.__tostring then return tostring(value) end
  if state.path[value] then return "{…}" end -- it contains itself
  if depth >= DEEPEST then return "{…}" end
  state.path[value] = true
  local texts = render_entries(value, state, depth + 1)
  state.path[value] = nil
  if #texts == 0 then return "{}" end
  local line = "{ " .. concat(texts, ", ") .. " }"
  if #line + 2 * depth <= WIDTH and not find(line, "\n", 1, true) then return line end
  local indent = "\n" .. rep("  ", depth + 1)
  return "{" .. indent .. concat(texts, "," .. indent) .. "\n" .. rep("  ", depth) .. "}"
end

-- A chunk's results as one text, nil when there is nothing but nil; and how many there are.
local function answer(...)
  local texts, found = {}, false
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    found = found or value ~= nil
    texts[i] = type(value) == "string" and value or render(value, { left = MOST_VALUES, path = {} }, 0)
  end
  return found and concat(texts, "\t") or nil, #texts
end

return function(chunk)
  return answer(chunk())
end
