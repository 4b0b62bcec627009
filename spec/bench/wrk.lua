-- For wrk: posts the recorded reports, one after the other. Arguments: the file and the Authorization header.
local requests, next_request = {}, 0

function init(args)
  local headers = { Authorization = args[2], ["Content-Type"] = "application/json" }
  for body in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", "/?command=report", headers, body)
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end
