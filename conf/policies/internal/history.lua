-- Questions to the history. One that it does not answer raises why, and init.lua skips the policy that asked.
local history = { answered = 0 } -- how many questions were

local UNANSWERED = { ["history away"] = true, ["history timeout"] = true }

-- Whether that is what a policy failed with.
function history.is_away(problem) return UNANSWERED[problem] or false end

-- Takes what a question returns: history.answer(getHistory():count(filter)).
function history.answer(value, why)
  if why ~= nil then error(why, 0) end
  history.answered = history.answered + 1
  return value
end

return history
