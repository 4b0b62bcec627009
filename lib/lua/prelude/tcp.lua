-- LuaSocket's TCP objects, for the module socket. The connections are the host's; here one is its number there:  tcp { id }
--
-- A call first makes sure that no other task has the connection (functions/tcp.ts), then does what can be done at once,
-- and only then waits.
local host, class, check_self, waits, check, check_number = ...
local setmetatable, tonumber, tostring, type, error = setmetatable, tonumber, tostring, type, error
local sub, find, format, huge = string.sub, string.find, string.format, math.huge

local Socket, socket_class = class("tcp{client}")

function socket_class.__gc(self)
  host.close(self[1])
end

local function create()
  local id, problem = host.create()
  if not id then return nil, problem end
  return setmetatable({ id }, socket_class)
end

-- Whether the running task has the connection now. Not when another still has it at the end of the time given.
local function claim(self)
  return host.claim(self[1]) or waits.turn(self[1])
end

-- Blames the caller of the function that calls this one.
local function bad_argument(position, name, problem)
  error(format("bad argument #%d to '%s' (%s)", position, name, problem), 3)
end

-- Numbers are taken for texts, as in C.
local function text(value)
  return type(value) == "number" and tostring(value) or value
end

function Socket.connect(self, address, port)
  check_self(self, "tcp{client}", "connect")
  check(address, "string", 1, "connect")
  port = check_number(port, 2, "connect")
  if not (port >= 1 and port < 65536) then bad_argument(2, "connect", "a port from 1 to 65535 expected") end
  if not claim(self) then return nil, "timeout" end
  return waits.connect(self[1], address, port)
end

function Socket.send(self, data, first, last)
  check_self(self, "tcp{client}", "send")
  data = check(text(data), "string", 1, "send")
  if not claim(self) then return nil, "timeout", 0 end
  local before = 0
  if first ~= nil or last ~= nil then
    first, last = check_number(first or 1, 2, "send"), check_number(last or -1, 3, "send")
    if first < 0 then first = #data + first + 1 end
    before = first > 1 and first - 1 or 0
    data = sub(data, first, last)
  end
  local sent, problem = waits.send(self[1], data)
  if problem then return nil, problem, before + sent end
  return before + sent
end

function Socket.receive(self, pattern, prefix)
  check_self(self, "tcp{client}", "receive")
  prefix = prefix == nil and "" or check(text(prefix), "string", 2, "receive")
  local count = tonumber(pattern)
  if count then
    if not (count >= 0 and count < huge) then bad_argument(1, "receive", "invalid receive pattern") end
    pattern = count > #prefix and count - #prefix or 0
  elseif pattern == nil then
    pattern = "l"
  elseif type(pattern) ~= "string" or not find(pattern, "^%*?[la]") then
    bad_argument(1, "receive", "invalid receive pattern")
  end
  if not claim(self) then return nil, "timeout", "" end
  local data = host.receive_now(self[1], pattern)
  if data then return prefix .. data end
  local problem, part
  data, problem, part = waits.receive(self[1], pattern)
  if data then return prefix .. data end
  return nil, problem, prefix .. part
end

function Socket.settimeout(self, ...)
  check_self(self, "tcp{client}", "settimeout")
  return host.set_timeout(self[1], ...)
end

function Socket.setoption(self, ...)
  check_self(self, "tcp{client}", "setoption")
  return host.set_option(self[1], ...)
end

function Socket.shutdown(self, ...)
  check_self(self, "tcp{client}", "shutdown")
  return host.shutdown(self[1], ...)
end

function Socket.getpeername(self)
  check_self(self, "tcp{client}", "getpeername")
  return host.peer(self[1])
end

function Socket.getsockname(self)
  check_self(self, "tcp{client}", "getsockname")
  return host.own(self[1])
end

function Socket.close(self)
  check_self(self, "tcp{client}", "close")
  host.close(self[1])
  return 1
end

-- Connects, or answers nil and why not.
local function connect(address, port)
  local socket, problem = create()
  if not socket then return nil, problem end
  local ok
  ok, problem = socket:connect(address, port)
  if ok then return socket end
  socket:close()
  return nil, problem
end

-- The first address of a name, and what else is known of it; or nil and a message.
local function toip(name)
  local addresses = { waits.lookup(name) }
  if not addresses[1] then return nil, addresses[2] end
  return addresses[1], { name = name, alias = {}, ip = addresses }
end

return { create = create, connect = connect, toip = toip }
