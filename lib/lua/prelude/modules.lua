-- The modules that policies find as `require "cjson"` and so on. Each is compiled when it is first required, and gets
-- the globals as they were before any policy ran, since a policy may replace them.
local host, http_request, tcp, sleep, null, class_of = ...
local load, error, pairs, setmetatable = load, error, pairs, setmetatable
local source = host.source

local function snapshot()
  local globals = {}
  for name, value in pairs(_G) do
    globals[name] = value
  end
  for _, name in pairs({ "string", "table", "math", "io", "os" }) do
    local copy = {}
    for key, value in pairs(_G[name]) do
      copy[key] = value
    end
    globals[name] = copy
  end
  return globals
end

-- What modules are given instead of a global of their own: each takes what it needs of it.
local parts = {
  null = null, -- a light userdata, as in lua-cjson
  http_request = http_request,
  tcp = tcp,
  sleep = sleep,
  class_of = class_of, -- of a value that only looks like a table
  now = host.now,
  to_base64 = host.to_base64,
  from_base64 = host.from_base64,
}

local globals = snapshot()
local made = {}

-- The module itself, whatever a policy has done to package.loaded.
function parts.module(name)
  if made[name] == nil then
    local chunk, problem = load(source(name), "=[" .. name .. "]", "t", setmetatable({}, { __index = globals }))
    if not chunk then error(problem, 0) end
    made[name] = chunk(parts)
  end
  return made[name]
end

for name in host.names():gmatch("%S+") do
  package.preload[name] = function()
    return parts.module(name)
  end
end

return parts.module
