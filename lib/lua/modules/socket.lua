-- The part of LuaSocket's socket that clients use. Servers, UDP and `select` are not to be had.
local parts = ...
local tcp = parts.tcp
local error, pcall, select, type, getmetatable = error, pcall, select, type, getmetatable
local setmetatable, rawequal, format = setmetatable, rawequal, string.format
local now, sleep = parts.now, parts.sleep

local Failure = {} -- what `try` raises, { message }, and `protect` turns back into nil and a message

local function newtry(finalizer)
  return function(...)
    local ok, problem = ...
    if ok then return ... end
    if finalizer then pcall(finalizer) end
    error(setmetatable({ problem }, Failure), 0)
  end
end

local function answer(ok, ...)
  if ok then return ... end
  local failure = ...
  if type(failure) == "table" and rawequal(getmetatable(failure), Failure) then return nil, failure[1] end
  error(failure, 0)
end

return {
  _VERSION = "LuaSocket 3.0.0",
  gettime = now,
  tcp = tcp.create,
  tcp4 = tcp.create,
  connect = tcp.connect,
  dns = { toip = tcp.toip },
  sleep = function(seconds)
    if type(seconds) ~= "number" then
      local got = seconds == nil and "no value" or type(seconds)
      error(format("bad argument #1 to 'sleep' (number expected, got %s)", got), 2)
    end
    if seconds > 0 then sleep(seconds) end
  end,
  newtry = newtry,
  try = newtry(),
  protect = function(f)
    return function(...)
      return answer(pcall(f, ...))
    end
  end,
  skip = function(count, ...)
    return select(count + 1, ...)
  end,
}
