-- anonymous_network: a login's first success in a while from Tor (severity medium), a VPN or a hosting network (low).
--
-- They are told by MaxMind's Anonymous IP database, or by a file.
local refuse = require("policies.internal.options").refuse

local options = {
  -- How long a network is known to the login.
  own_network = "30d",
  -- A file with a network or an address a line, and behind it, if need be, what it is: tor, vpn, hosting (tor unless given).
  list = false,
}

local KINDS = { "tor", "vpn", "hosting" } -- what an address is of several it is first
local SEVERITIES = { tor = "medium", vpn = "low", hosting = "low" }
local groups = {} -- of the list, by kind

local function check(opts)
  if opts.list and type(opts.list) ~= "string" then return "list", "must be the name of a file" end
end

local function read(path)
  local function wrong(problem) refuse("anonymous_network", "list", "cannot be used: " .. problem) end
  local file, problem = io.open(path)
  if not file then wrong(problem) end
  local number = 0
  for line in file:lines() do
    number = number + 1
    local network, kind = string.match(line, "^%s*([^%s#]+)%s*([^%s#]*)")
    if network then
      kind = kind == "" and "tor" or kind
      if not SEVERITIES[kind] then wrong(string.format("%s:%d: tor, vpn or hosting expected, got %s", path, number, kind)) end
      groups[kind] = groups[kind] or newNetmaskGroup()
      local ok = pcall(groups[kind].addMask, groups[kind], network)
      if not ok then wrong(string.format("%s:%d: no network: %s", path, number, network)) end
    end
  end
  file:close()
end

local function start(opts)
  if opts.list then read(opts.list) end
end

local function kind_of(lt, about)
  for _, kind in ipairs(KINDS) do
    if groups[kind] and groups[kind]:match(lt.remote) then return kind end
  end
  return SEVERITIES[about.anonymous] and about.anonymous
end

local function report(lt, about, opts)
  if not lt.success or lt.login == "" then return end
  local kind = kind_of(lt, about)
  if not kind or about:seen("address", about.network, about.t - opts.own_network) then return end
  about:alert {
    type = "anonymous_network",
    severity = SEVERITIES[kind],
    login = lt.login,
    remote = lt.remote,
    key = "anonymous_network\0" .. lt.login .. "\0" .. about.network,
    cooldown = "1h",
    evidence = { kind = kind, network = about.network },
  }
end

local function needs(opts)
  return { history = true, anonymous = not opts.list }
end

return { options = options, needs = needs, check = check, start = start, report = report }
