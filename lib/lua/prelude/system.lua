-- The parts of `os`, `io` and `debug` that a daemon's Lua needs otherwise than a program's.
local host, blamed = ...
local error, pcall, gmatch = error, pcall, string.gmatch
local open, remove, rename = io.open, os.remove, os.rename
local error_number = host.error_number

for name, library, field, instead in gmatch(host.unavailable(), "((%w+)%.(%w+)): ([^\n]+)") do
  _G[library][field] = function()
    error(name .. " is not available: " .. instead, 2)
  end
end

local execute = os.execute

function os.execute(command)
  if command == nil then return false end -- "there is no shell"
  return execute()
end

os.clock, os.getenv = host.clock, host.getenv

-- Else a policy could give files a finalizer, which runs with the limit on run time off.
getmetatable(io.stdout).__metatable = "FILE*"

-- Error numbers are WebAssembly's inside; policies know Linux's.
local function with_number(name, ...)
  local ok, result, message, number = ...
  if ok and result == nil and number then return nil, message, error_number(number) end
  return blamed(name, ...)
end

function io.open(...)
  return with_number("open", pcall(open, ...))
end

function os.remove(...)
  return with_number("remove", pcall(remove, ...))
end

function os.rename(...)
  return with_number("rename", pcall(rename, ...))
end
