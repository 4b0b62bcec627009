-- Only source is loaded, never byte code: Lua does not check byte code, and what was tampered with breaks the whole state.
local load, loadfile = load, loadfile

-- The environment is passed on only when it was given: nil is one, too.
function _G.load(chunk, name, _, ...)
  return load(chunk, name, "t", ...)
end

function _G.loadfile(file, _, ...)
  return loadfile(file, "t", ...)
end
