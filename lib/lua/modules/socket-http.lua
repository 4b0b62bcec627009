-- socket.http and ssl.https: requests in LuaSocket's two forms, over the host's HTTP client.
--
-- As there: failures answer nil and a message, redirects of GET and HEAD are followed up to five times. Unlike there: a
-- request's source is read to its end before anything is sent, and the sink gets the response's body in one chunk, when
-- it is complete. https goes from https to http only with redirect = "all"; credentials stay with the host they are for.
local parts = ...
local error, type, pairs, format, tostring, tonumber = error, type, pairs, string.format, tostring, tonumber
local find, lower, match, upper, concat = string.find, string.lower, string.match, string.upper, table.concat
local http_request = parts.http_request
local ltn12, url, mime = parts.module("ltn12"), parts.module("socket.url"), parts.module("mime")
local read_keys = parts.module("socket.http.keys")

local DEFAULT_TIMEOUT = 60
local MOST_REDIRECTS = 5
local REDIRECTS = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }
local LOGIN_HEADERS = { authorization = true, cookie = true, ["proxy-authorization"] = true }

-- What a policy reads and sets on the two modules.
local function settings(https)
  return https and { _VERSION = "1.3.2", PORT = 443, TIMEOUT = DEFAULT_TIMEOUT }
    or { _VERSION = "LuaSocket 3.0.0", PORT = 80, TIMEOUT = DEFAULT_TIMEOUT, USERAGENT = "LuaSocket 3.0.0" }
end

-- The parts of the URL, of which a request may give some by themselves. Answers nil and a message for a wrong one.
local function locate(request, scheme)
  local default = { scheme = scheme, path = "/" }
  local parsed = default
  if request.url ~= nil then
    if type(request.url) == "table" then
      parsed = request.url
    else
      parsed = url.parse(tostring(request.url), default)
    end
    if not parsed then return nil, "invalid url" end
  end
  local place = {}
  for key, value in pairs(parsed) do
    place[key] = value
  end
  for _, key in pairs({ "scheme", "host", "port", "path", "params", "query", "user", "password" }) do
    if request[key] ~= nil then place[key] = request[key] end
  end
  if not place.host or place.host == "" then return nil, format("invalid host '%s'", tostring(place.host)) end
  place.scheme = lower(place.scheme)
  if place.scheme ~= "http" and place.scheme ~= "https" then
    return nil, format("unknown scheme '%s'", place.scheme)
  end
  place.authority, place.userinfo, place.fragment = nil, nil, nil
  return place
end

-- The headers to send: the module's own, and over them those of the request.
local function headers_for(module, request, place)
  local sent, spelled = {}, {}
  local function set(name, value)
    local known = spelled[lower(name)]
    if known then sent[known] = nil end
    spelled[lower(name)] = name
    sent[name] = value
  end
  if module.USERAGENT then set("user-agent", module.USERAGENT) end
  if place.user then
    local login = url.unescape(place.user) .. ":" .. url.unescape(place.password or "")
    set("authorization", "Basic " .. mime.b64(login))
  end
  for name, value in pairs(request.headers or {}) do
    set(tostring(name), value)
  end
  return sent
end

local function read_source(request)
  if not request.source then return nil end
  local into, chunks = ltn12.sink.table()
  local ok, problem = ltn12.pump.all(request.source, into, request.step)
  if not ok then return nil, problem end
  return concat(chunks)
end

-- A text without the blanks around it; nil when there is nothing else. In one pattern it would take time by their square.
local function trim(text)
  local first = find(text, "%S")
  return first and match(text, ".*%S", first)
end

-- The redirect's target, when it is to be followed.
local function target(request, place, method, code, headers, count)
  local location = REDIRECTS[code] and trim(headers.location or "")
  if not location or request.redirect == false then return nil end
  if method ~= "GET" and method ~= "HEAD" then return nil end
  local most = request.maxredirects
  if most ~= false and count >= (tonumber(most) or MOST_REDIRECTS) then return nil end
  local clean = { scheme = place.scheme, host = place.host, port = place.port, path = place.path, query = place.query }
  local absolute = url.absolute(url.build(clean), location)
  local scheme = lower(match(absolute, "^(%a[%w+.-]*):") or "")
  if scheme ~= "http" and scheme ~= "https" then return nil end
  if scheme == "http" and place.scheme == "https" and request.redirect ~= "all" then return nil end
  return absolute
end

local function same_server(a, b)
  return a.scheme == b.scheme and lower(a.host) == lower(b.host) and tostring(a.port) == tostring(b.port)
end

local function without_logins(headers)
  local kept = {}
  for name, value in pairs(headers or {}) do
    if not LOGIN_HEADERS[lower(tostring(name))] then kept[name] = value end
  end
  return kept
end

-- Hands a body to the sink. LuaSocket has none for these, so the sink is not even told of an end.
local function deliver(request, method, code, body)
  if method == "HEAD" or code == 204 or code == 304 then return 1 end
  local given = body == "" and {} or { body }
  return ltn12.pump.all(ltn12.source.table(given), request.sink or ltn12.sink.null(), request.step)
end

-- request{ … } answers 1, code, headers and status line.
local function exchange(module, scheme, request, tls)
  if request.proxy or module.PROXY then return nil, "proxy not supported" end
  if request.create then return nil, "create function not permitted" end
  local place, problem = locate(request, scheme)
  if not place then return nil, problem end
  local body
  body, problem = read_source(request)
  if problem then return nil, problem end
  local method = upper(request.method or "GET")
  local timeout = module.TIMEOUT
  if type(timeout) ~= "number" or not (timeout > 0) then timeout = DEFAULT_TIMEOUT end
  local count, moved = 0, nil
  while true do
    local bare = {}
    for key, value in pairs(place) do
      if key ~= "user" and key ~= "password" then bare[key] = value end
    end
    local address = url.build(bare)
    local code, reason, headers, received =
      http_request(address, method, headers_for(module, request, place), body, timeout, tls)
    if not code then return nil, match(reason, "^timed out") and "timeout" or reason end
    local to = target(request, place, method, code, headers, count)
    if not to then
      if moved then headers.location = headers.location or moved end
      local ok, refused = deliver(request, method, code, received)
      if not ok then return nil, refused end
      return 1, code, headers, format("HTTP/1.1 %d %s", code, reason)
    end
    local before = place
    place, problem = locate({ url = to }, scheme)
    if not place then return nil, problem end
    if same_server(before, place) then
      place.user, place.password = place.user or before.user, place.password or before.password
    else
      local copy = {}
      for key, value in pairs(request) do
        copy[key] = value
      end
      copy.headers = without_logins(request.headers)
      request = copy
    end
    count, moved = count + 1, to
  end
end

-- request(url[, body]) answers the body, code, headers and status line.
local function simple(module, scheme, address, body)
  local into, chunks = ltn12.sink.table()
  local request = { url = address, sink = into }
  if body then
    request.source = ltn12.source.string(body)
    request.headers = { ["content-type"] = "application/x-www-form-urlencoded" }
    request.method = "POST"
  end
  local ok, code, headers, status = exchange(module, scheme, request, {})
  if not ok then return nil, code end
  return concat(chunks), code, headers, status
end

return function(scheme)
  local module = settings(scheme == "https")
  function module.request(request, body)
    if type(request) == "string" then return simple(module, scheme, request, body) end
    if type(request) ~= "table" then
      local got = request == nil and "no value" or type(request)
      error(format("bad argument #1 to 'request' (string or table expected, got %s)", got), 2)
    end
    local tls, problem = read_keys(request)
    if not tls then error(format("bad argument #1 to 'request' (%s)", problem), 2) end
    return exchange(module, scheme, request, tls)
  end
  return module
end
