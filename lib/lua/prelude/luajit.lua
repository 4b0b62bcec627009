-- What LuaJIT has beside 5.1. There, libraries ask `require` for the two table functions; here they are there without.
local host, check, check_number = ...
local next, rawset = next, rawset
local loaded = package.loaded

-- Room for so many entries is a promise of speed only.
function table.new(list, records)
  check_number(list, 1, "new")
  check_number(records, 2, "new")
  return {}
end

function table.clear(t)
  check(t, "table", 1, "clear")
  for key in next, t do
    rawset(t, key, nil)
  end
end

-- The version that the reference is built with, on its usual system. Nothing is compiled here, so there is nothing to set.
local function nothing() end

jit = {
  version = "LuaJIT 2.1.0-beta3",
  version_num = 20100,
  os = "Linux",
  arch = host.architecture(),
  on = nothing,
  off = nothing,
  flush = nothing,
  attach = nothing,
  opt = { start = nothing },
}

function jit.status()
  return false
end

loaded.jit, loaded["jit.opt"] = jit, jit.opt
loaded["table.new"], loaded["table.clear"] = table.new, table.clear
