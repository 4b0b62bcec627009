-- Only source is loaded, never byte code: Lua does not check byte code, and what was tampered with breaks the whole state.
local host = ...
local load, loadfile = load, loadfile
local compiled = host.compiled -- nil unless somebody looks at what files compile to

-- The environment is passed on only when it was given: nil is one, too.
function _G.load(chunk, name, _, ...)
  return load(chunk, name, "t", ...)
end

function _G.loadfile(file, _, ...)
  local chunk, problem = loadfile(file, "t", ...)
  if not chunk then return nil, problem end
  if compiled then compiled(chunk) end
  return chunk
end
