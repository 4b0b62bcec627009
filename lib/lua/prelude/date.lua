-- `os.date` and `os.difftime` as the C library of the reference has them.
local host, check_number, blamed = ...
local pcall, type, sub, find, time_now = pcall, type, string.sub, string.find, os.time
local date, difftime, strftime = os.date, os.difftime, host.strftime

function os.date(...)
  local format, time = ...
  if format == nil then format = "%c" end
  if type(format) ~= "string" or find(format, "^!?%*t") then return blamed("date", pcall(date, ...)) end
  local utc = sub(format, 1, 1) == "!"
  if utc then format = sub(format, 2) end
  if time == nil then time = time_now() end
  local ok, t = pcall(date, utc and "!*t" or "*t", time)
  if not ok then return blamed("date", ok, t) end
  return strftime(format, utc, time, t.year, t.month, t.day, t.hour, t.min, t.sec, t.wday, t.yday)
end

function os.difftime(later, earlier)
  if earlier == nil then earlier = 0 end
  return difftime(check_number(later, 1, "difftime"), check_number(earlier, 2, "difftime"))
end
