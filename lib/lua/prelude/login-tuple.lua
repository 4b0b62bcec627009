-- Takes a packed login tuple or the packed arguments of a custom endpoint apart: see codec.ts for the layout.
local make_address = ...
local unpack, floor = string.unpack, math.floor
local setmetatable, rawget, next = setmetatable, rawget, next

-- Reads `count` pairs of strings at `at`; answers a table and where it stopped.
local function read_strings(packed, at, count)
  local strings = {}
  for _ = 1, count do
    local name, value
    name, value, at = unpack("<s4s4", packed, at)
    strings[name] = value
  end
  return strings, at
end

-- Reads `count` pairs of a string and a list of strings.
local function read_lists(packed, at, count)
  local lists = {}
  for _ = 1, count do
    local name, size
    name, size, at = unpack("<s4I4", packed, at)
    local list = {}
    for i = 1, size do
      list[i], at = unpack("<s4", packed, at)
    end
    lists[name] = list
  end
  return lists, at
end

-- The three tables of attributes are made when a policy first asks for one: most reports pass without. Until then the
-- packed tuple waits under keys that nobody else has.
local PACKED, POSITION = {}, {}
local COUNTS = 1 + 8 + 3 + 2 -- where the three counts stand: see codec.ts

local function unpack_attributes(tuple)
  local packed, at = rawget(tuple, PACKED), rawget(tuple, POSITION)
  if not packed then return end
  tuple[PACKED], tuple[POSITION] = nil, nil
  local attr_count, list_count, device_count = unpack("<I4I4I4", packed, COUNTS)
  local attrs, attrs_mv
  attrs, at = read_strings(packed, at, attr_count)
  attrs_mv, at = read_lists(packed, at, list_count)
  -- What the policy has put there in the meantime stays.
  tuple.attrs = rawget(tuple, "attrs") or attrs
  tuple.attrs_mv = rawget(tuple, "attrs_mv") or attrs_mv
  local device_attrs = read_strings(packed, at, device_count)
  tuple.device_attrs = rawget(tuple, "device_attrs") or device_attrs
end

local LoginTuple = { __name = "LoginTuple", __metatable = "LoginTuple" }

function LoginTuple.__index(tuple, key)
  if key ~= "attrs" and key ~= "attrs_mv" and key ~= "device_attrs" then return nil end
  unpack_attributes(tuple)
  return rawget(tuple, key)
end

function LoginTuple.__pairs(tuple)
  unpack_attributes(tuple)
  return next, tuple
end

local function login_tuple(packed)
  local t, success, policy_reject, tls, port, _, _, _, remote, address, login, pwhash, protocol, device_id, fail_type, session_id, at =
    unpack("<dBBBI2I4I4I4s1s1s4s4s4s4s4s4", packed)
  local whole_t = floor(t)
  return setmetatable({
    [PACKED] = packed,
    [POSITION] = at,
    t = whole_t == t and whole_t or t,
    remote = make_address(remote, address, port),
    login = login,
    pwhash = pwhash,
    success = success == 1,
    policy_reject = policy_reject == 1,
    tls = tls == 1,
    fail_type = fail_type,
    protocol = protocol,
    device_id = device_id,
    session_id = session_id,
  }, LoginTuple)
end

local function endpoint_args(packed)
  local attr_count, list_count, at = unpack("<I4I4", packed)
  local attrs, attrs_mv
  attrs, at = read_strings(packed, at, attr_count)
  attrs_mv = read_lists(packed, at, list_count)
  return { attrs = attrs, attrs_mv = attrs_mv }
end

local function run_report(report, packed)
  return report(login_tuple(packed))
end

local function run_endpoint(endpoint, packed)
  return endpoint(endpoint_args(packed))
end

return run_report, run_endpoint
