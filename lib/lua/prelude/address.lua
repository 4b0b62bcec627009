-- ComboAddress, Netmask and NetmaskGroup. Parsing and matching are the host's; the values are small Lua tables:
--   ComboAddress { text, bytes (4 or 16), port }    Netmask { text, bytes of the network, bits }    NetmaskGroup { id }
local host, wrong_type, type_name = ...
local setmetatable, getmetatable, error = setmetatable, getmetatable, error
local sub, format, collectgarbage = string.sub, string.format, collectgarbage

-- A class's name stands in for its metatable, so that a policy can neither change it nor pass for it by accident.
local function class(name)
  local methods = {}
  return methods, { __index = methods, __name = name, __metatable = name }
end

local Address, address_class = class("ComboAddress")
local Netmask, netmask_class = class("Netmask")
local Group, group_class = class("NetmaskGroup")

local function check_self(self, class_name, method)
  if getmetatable(self) ~= class_name then
    error(format("calling '%s' on bad self (%s expected, got %s)", method, class_name, type_name(self)), 3)
  end
end

local function check_address(value, position, name)
  if getmetatable(value) ~= "ComboAddress" then wrong_type(value, "ComboAddress", position, name, 3) end
end

local function make_address(text, bytes, port)
  return setmetatable({ text, bytes, port }, address_class)
end

function newCA(...)
  return make_address(host.parse_address(...))
end

function Address.tostring(self)
  check_self(self, "ComboAddress", "tostring")
  return self[1]
end

function Address.port(self)
  check_self(self, "ComboAddress", "port")
  return self[3]
end

function Address.isIPv4(self)
  check_self(self, "ComboAddress", "isIPv4")
  return #self[2] == 4
end

function Address.isIPv6(self)
  check_self(self, "ComboAddress", "isIPv6")
  return #self[2] == 16
end

local MAPPED = ("\0"):rep(10) .. "\255\255"

function Address.isMappedIPv4(self)
  check_self(self, "ComboAddress", "isMappedIPv4")
  return #self[2] == 16 and sub(self[2], 1, 12) == MAPPED
end

address_class.__tostring = Address.tostring

function address_class.__eq(a, b)
  return getmetatable(a) == getmetatable(b) and a[2] == b[2] and a[3] == b[3]
end

function newNetmask(...)
  return setmetatable({ host.parse_netmask(...) }, netmask_class)
end

function newNetmaskFromCA(ca, ...)
  check_address(ca, 1, "newNetmaskFromCA")
  return setmetatable({ host.mask_address(ca[2], ...) }, netmask_class)
end

function Netmask.toStringNetwork(self)
  check_self(self, "Netmask", "toStringNetwork")
  return self[1]
end

function Netmask.match(self, ca)
  check_self(self, "Netmask", "match")
  check_address(ca, 1, "match")
  return host.netmask_matches(self[2], self[3], ca[2])
end

netmask_class.__tostring = Netmask.toStringNetwork

function netmask_class.__eq(a, b)
  return getmetatable(a) == getmetatable(b) and a[1] == b[1]
end

function newNetmaskGroup()
  return setmetatable({ host.new_group() }, group_class)
end

-- Masks are kept by the host, where Lua does not see what they cost: now and then the collector is told.
local MASKS_PER_STEP, STEP_KILOBYTES = 256, 1024
local masks = 0

function Group.addMask(self, ...)
  check_self(self, "NetmaskGroup", "addMask")
  host.add_mask(self[1], ...)
  masks = masks + 1
  if masks % MASKS_PER_STEP == 0 then collectgarbage("step", STEP_KILOBYTES) end
end

function Group.match(self, ca)
  check_self(self, "NetmaskGroup", "match")
  check_address(ca, 1, "match")
  return host.group_matches(self[1], ca[2])
end

function Group.size(self)
  check_self(self, "NetmaskGroup", "size")
  return host.group_size(self[1])
end

function Group.clear(self)
  check_self(self, "NetmaskGroup", "clear")
  host.clear_group(self[1])
end

function group_class.__gc(self)
  host.free_group(self[1])
end

return make_address, class, check_self, check_address
