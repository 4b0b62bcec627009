-- dormant_account: a success after a long silence. Severity medium.
local options = {
  silence = "180d", -- half a year: a term abroad, a parental leave
}

local function report(lt, about, opts)
  if not lt.success or lt.login == "" then return end
  local last = about:all("day").last
  if not last or about.t - last < opts.silence then return end
  -- Another daemon may know better.
  last = about:all("day", true).last
  if not last or about.t - last < opts.silence then return end
  local days = math.floor((about.t - last) / 86400)
  about:alert {
    type = "dormant_account",
    severity = "medium",
    login = lt.login,
    remote = lt.remote,
    message = string.format("dormant account: %s after %d days of silence", lt.login, days),
    key = "dormant_account\0" .. lt.login,
    cooldown = "1h",
    evidence = { days = days, last_seen = last },
  }
end

return { options = options, needs = { history = true }, report = report }
