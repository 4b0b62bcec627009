-- What is usual: the median of numbers, and their median absolute deviation from it, which a few outliers do not move.
local median = {}

local function middle(sorted)
  local n = #sorted
  if n == 0 then return 0 end
  if n % 2 == 1 then return sorted[(n + 1) // 2] end
  return (sorted[n // 2] + sorted[n // 2 + 1]) / 2
end

-- Answers both.
function median.of(values)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  local m = middle(sorted)
  local deviations = {}
  for i, value in ipairs(sorted) do deviations[i] = math.abs(value - m) end
  table.sort(deviations)
  return m, middle(deviations)
end

return median
