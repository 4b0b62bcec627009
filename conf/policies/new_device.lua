-- new_device: a success with a kind of device, such as "Thunderbird on Windows", that the login has never used. Severity low.
--
-- Names are without versions, so an update is nothing new. A report without a device says nothing.
local reports = require("policies.internal.about")

local options = {
  -- As for new_country.
  learning = "14d",
  days = 5,
}

local function report(lt, about, opts)
  if not lt.success or lt.login == "" or not about.device then return end
  if about:seen("device", about.device) or not about:is_known_for(opts.learning, opts.days) then return end
  about:alert {
    type = "new_device",
    severity = "low",
    login = lt.login,
    remote = lt.remote,
    message = string.format("new device: %s with %s", lt.login, about.device),
    key = "new_device\0" .. lt.login .. "\0" .. about.device,
    cooldown = "1h",
    evidence = { device = about.device },
  }
end

return { options = options, needs = { history = true }, check = reports.check_days, report = report }
