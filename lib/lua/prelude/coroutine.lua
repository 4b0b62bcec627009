-- Waiting without blocking, and a coroutine library that lets it through.
--
-- Whatever a policy's coroutine yields goes to the one that resumed it, as ever. Only AWAIT and the number of a wait are
-- handed on outwards, coroutine by coroutine, until they leave the task; then all go on, from the outermost inwards. A
-- coroutine that is cut off at the end of its slice yields nothing, as Lua's hook cannot; that is made such a wait at once.
local host, wrong_type = ...

local AWAIT = {}
local NEXT_TURN = 0 -- stands for a wait of which nothing is taken: see waits.ts

local create, resume, yield, running = coroutine.create, coroutine.resume, coroutine.yield, coroutine.running
local status, close, isyieldable = coroutine.status, coroutine.close, coroutine.isyieldable
local error, rawequal, setmetatable, type = error, rawequal, setmetatable, type
local was_cut = host.was_cut

local made = setmetatable({}, { __mode = "k" }) -- coroutines that a policy made, as opposed to tasks
local waiting = setmetatable({}, { __mode = "k" }) -- those of them that are inside a wait

-- Whether it is for the host alone to go on with a thread: a task's, or a coroutine that is inside a wait.
local function busy(co)
  return waiting[co] or type(co) == "thread" and not made[co]
end

-- Hands on what a coroutine yielded: a wait outwards, after which the coroutine goes on; the rest to its resumer.
local function pass(co, ...)
  local ok, tag, id = ...
  if not ok then return ... end
  if tag == nil and was_cut(co) then
    id = NEXT_TURN
  elseif not rawequal(tag, AWAIT) then
    return ...
  end
  waiting[co] = true
  yield(AWAIT, id)
  waiting[co] = nil
  return pass(co, resume(co))
end

local function resume_passing(co, ...)
  if type(co) ~= "thread" then wrong_type(co, "coroutine", 1, "resume", 2) end
  if busy(co) then return false, "cannot resume non-suspended coroutine" end
  return pass(co, resume(co, ...))
end

local function create_made(f)
  if type(f) ~= "function" then wrong_type(f, "function", 1, "create", 2) end
  local co = create(f)
  made[co] = true
  return co
end

-- What coroutine.wrap makes of the results of a resume; a coroutine that failed is closed, as Lua does.
local function unwrap(co, ok, ...)
  if ok then return ... end
  local failure = ...
  if status(co) == "dead" then
    local closed, reason = close(co)
    if not closed then failure = reason end
  end
  error(failure, 2)
end

coroutine.create, coroutine.resume = create_made, resume_passing

function coroutine.wrap(f)
  if type(f) ~= "function" then wrong_type(f, "function", 1, "wrap", 2) end
  local co = create_made(f)
  return function(...)
    return unwrap(co, resume_passing(co, ...))
  end
end

function coroutine.yield(...)
  if not made[running()] then error("attempt to yield from outside a coroutine", 2) end
  return yield(...)
end

function coroutine.isyieldable(co)
  co = co or running()
  return made[co] ~= nil and isyieldable(co)
end

function coroutine.running()
  local co = running()
  return co, not made[co]
end

function coroutine.status(co)
  return busy(co) and co ~= running() and "normal" or status(co)
end

function coroutine.close(co)
  if busy(co) then error("cannot close a normal coroutine", 2) end
  return close(co)
end

-- Makes one function that waits of a host function that begins and one that takes the result.
return function(begin, take)
  return function(...)
    local id = begin(...)
    yield(AWAIT, id)
    return take(id)
  end
end
