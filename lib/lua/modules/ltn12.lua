-- LTN12: sources, sinks, filters and pumps, after the note that defines them and LuaSocket's manual.
--
-- A source answers chunks and then nil (and a message when it failed); a sink takes them and then nil, and answers
-- whether to go on; a filter takes and answers chunks, where "" means that there is nothing to take or give now.
local error, select, type, unpack = error, select, type, table.unpack
local concat, remove, sub, format = table.concat, table.remove, string.sub, string.format

local BLOCKSIZE = 2048
local filter, source, sink, pump = {}, {}, {}, {}

local function check(value, kind, position, name)
  if type(value) ~= kind then
    local got = value == nil and "no value" or type(value)
    error(format("bad argument #%d to '%s' (%s expected, got %s)", position, name, kind, got), 3)
  end
end

-- Feeds a chunk, or nil for the end, to a filter and hands on what comes out until there is no more. Each time it gives
-- something, a filter is asked for the rest: with "" or, at the end, with nil. Answers what the receiver objected to.
local function feed(through, chunk, receive)
  local ended = chunk == nil
  local out = through(chunk)
  while out ~= nil and out ~= "" do
    local ok, problem = receive(out)
    if not ok then return nil, problem end
    if ended then out = through(nil) else out = through("") end
  end
  if ended and out == "" then error('filter returned "" at the end') end
  if not ended and out == nil then error("filter returned nil before the end") end
  return 1
end

-- A filter of a function that keeps its state in a second argument and result.
function filter.cycle(low, state, extra)
  check(low, "function", 1, "cycle")
  return function(chunk)
    local out
    out, state = low(state, chunk, extra)
    return out
  end
end

-- Chunks go through all filters, one after the other.
function filter.chain(...)
  local count, stages = select("#", ...), { ... }
  for i = 1, count do
    check(stages[i], "function", i, "chain")
  end
  local ended = false
  local function push(i, chunk, out)
    if i > count then
      out[#out + 1] = chunk
      return 1
    end
    feed(stages[i], chunk, function(given)
      return push(i + 1, given, out)
    end)
    if chunk == nil and i < count then push(i + 1, nil, out) end
    return 1
  end
  return function(chunk)
    if ended then return nil end
    ended = chunk == nil
    local out = {}
    push(1, chunk, out)
    if ended and #out == 0 then return nil end
    return concat(out)
  end
end

local function empty()
  return nil
end

function source.empty()
  return empty
end

function source.error(problem)
  return function()
    return nil, problem
  end
end

function source.file(handle, problem)
  if not handle then return source.error(problem or "unable to open file") end
  return function()
    local chunk = handle:read(BLOCKSIZE)
    if not chunk then handle:close() end
    return chunk
  end
end

-- Of a source that may answer, besides a chunk, the source to go on with.
function source.simplify(from)
  check(from, "function", 1, "simplify")
  return function()
    local chunk, other = from()
    from = chunk ~= nil and other or from
    if chunk == nil then return nil, other end
    return chunk
  end
end

function source.string(text)
  if not text then return source.empty() end
  local at = 1
  return function()
    local chunk = sub(text, at, at + BLOCKSIZE - 1)
    at = at + BLOCKSIZE
    if chunk == "" then return nil end
    return chunk
  end
end

function source.table(list)
  check(list, "table", 1, "table")
  local i = 0
  return function()
    i = i + 1
    return list[i]
  end
end

-- A source that takes chunks back: called with one, it answers that one next.
function source.rewind(from)
  check(from, "function", 1, "rewind")
  local back = {}
  return function(chunk)
    if chunk then
      back[#back + 1] = chunk
      return nil
    end
    if #back > 0 then return remove(back) end
    return from()
  end
end

function source.chain(from, ...)
  check(from, "function", 1, "chain")
  local through = select("#", ...) == 1 and (...) or filter.chain(...)
  check(through, "function", 2, "chain")
  local waiting, next_out, ended = {}, 1, false
  local function keep(out)
    waiting[#waiting + 1] = out
    return 1
  end
  return function()
    while next_out > #waiting do
      if ended then return nil end
      waiting, next_out = {}, 1
      local chunk, problem = from()
      if chunk == nil and problem then return nil, problem end
      ended = chunk == nil
      feed(through, chunk, keep)
    end
    next_out = next_out + 1
    return waiting[next_out - 1]
  end
end

function source.cat(...)
  local count, all, i = select("#", ...), { ... }, 1
  return function()
    while i <= count do
      local chunk, problem = all[i]()
      if chunk ~= nil then return chunk end
      if problem then return nil, problem end
      i = i + 1
    end
    return nil
  end
end

function sink.table(list)
  list = list or {}
  return function(chunk)
    if chunk then list[#list + 1] = chunk end
    return 1
  end, list
end

function sink.null()
  return function()
    return 1
  end
end

function sink.error(problem)
  return function()
    return nil, problem
  end
end

function sink.file(handle, problem)
  if not handle then return sink.error(problem or "unable to open file") end
  return function(chunk)
    if chunk then return handle:write(chunk) end
    handle:close()
    return 1
  end
end

-- Of a sink that may answer, besides its consent, the sink to go on with.
function sink.simplify(into)
  check(into, "function", 1, "simplify")
  return function(chunk, problem)
    local ok, other = into(chunk, problem)
    if not ok then return nil, other end
    into = other or into
    return 1
  end
end

-- sink.chain(filter, …, sink)
function sink.chain(...)
  local parts = { ... }
  local into = remove(parts)
  check(into, "function", #parts + 1, "chain")
  local through = #parts == 1 and parts[1] or filter.chain(unpack(parts))
  check(through, "function", 1, "chain")
  return function(chunk, problem)
    if chunk == "" then return 1 end
    local ok, refused = feed(through, chunk, into)
    if not ok then return nil, refused end
    if chunk == nil then return into(nil, problem) end
    return 1
  end
end

-- Takes one chunk from a source to a sink.
function pump.step(from, into)
  local chunk, problem = from()
  local ok, refused = into(chunk, problem)
  if chunk and ok then return 1 end
  return nil, problem or refused
end

-- Takes everything. Answers 1, or nil and a message.
function pump.all(from, into, step)
  check(from, "function", 1, "all")
  check(into, "function", 2, "all")
  step = step or pump.step
  while true do
    local ok, problem = step(from, into)
    if not ok then
      if problem then return nil, problem end
      return 1
    end
  end
end

return { _VERSION = "LTN12 1.0.3", BLOCKSIZE = BLOCKSIZE, filter = filter, source = source, sink = sink, pump = pump }
