-- The keys of a request to socket.http and ssl.https: LuaSocket's, and of LuaSec's those that hold for one request here.
--
-- Unlike LuaSec, which trusts anyone unless told otherwise, a server needs a certificate that is trusted and its own,
-- unless `verify` is "none".
local type, pairs, ipairs, tostring, format, concat = type, pairs, ipairs, tostring, string.format, table.concat
local match, sort = string.match, table.sort

local PLAIN = {
  "url", "method", "headers", "source", "sink", "step", "redirect", "maxredirects", "nredirects", "proxy", "create",
  "uri", "target", "scheme", "authority", "host", "port", "path", "params", "query", "fragment", "user", "password",
}
local TLS = { "cafile", "certificate", "key", "mode", "options", "protocol", "verify" }
-- TLS 1.2 and 1.3 are what is spoken, whatever else LuaSec knows.
local PROTOCOLS = { any = true, sslv23 = true, tls = true, tlsv1_2 = true }

local known = {}
for _, keys in ipairs({ PLAIN, TLS }) do
  for _, key in ipairs(keys) do
    known[key] = true
  end
end

local function list(value)
  return type(value) == "table" and value or { value }
end

local function text(request, key)
  local value = request[key]
  if value ~= nil and (type(value) ~= "string" or value == "") then
    local got = value == "" and "an empty string" or type(value)
    return nil, format("%s: path of a file expected, got %s", key, got)
  end
  return value
end

-- Answers true or false, nil when the request says nothing of it, and, with it, what is wrong.
local function verifies(value)
  if value == nil then return nil end
  local verify = false
  for _, flag in pairs(list(value)) do
    if flag == "peer" then
      verify = true
    elseif flag ~= "none" and flag ~= "client_once" and flag ~= "fail_if_no_peer_cert" then
      return nil, format("verify: none or peer expected, got '%s'", tostring(flag))
    end
  end
  return verify
end

-- Options that only ask for what is so anyway: old versions are off, and so is what weakens the others.
local function wrong_option(value)
  if value == nil then return nil end
  for _, option in pairs(list(value)) do
    local name = tostring(option)
    local harmless = name == "all" or match(name, "^no_sslv[23]$") or match(name, "^no_tlsv1$") or name == "no_tlsv1_1"
      or name == "no_compression" or name == "no_renegotiation" or match(name, "^single_e?c?dh_use$")
    if not harmless then return format("options: '%s' is not supported", name) end
  end
end

-- The TLS of a request, { ca, cert, key, verify }; or nil and what is wrong with its keys.
return function(request)
  local unknown = {}
  for key in pairs(request) do
    if not known[key] then unknown[#unknown + 1] = tostring(key) end
  end
  if unknown[1] then
    sort(unknown)
    return nil, format("unknown key '%s': beside LuaSocket's %s are known", unknown[1], concat(TLS, ", "))
  end
  local mode, protocol = request.mode, request.protocol
  if mode ~= nil and mode ~= "client" then return nil, "mode: client expected" end
  if protocol ~= nil and not PROTOCOLS[protocol] then
    return nil, format("protocol: any or tlsv1_2 expected, got '%s'", tostring(protocol))
  end
  local tls, problem = {}, wrong_option(request.options)
  if problem then return nil, problem end
  for name, key in pairs({ ca = "cafile", cert = "certificate", key = "key" }) do
    tls[name], problem = text(request, key)
    if problem then return nil, problem end
  end
  if (tls.cert == nil) ~= (tls.key == nil) then return nil, "certificate and key belong together" end
  tls.verify, problem = verifies(request.verify)
  if problem then return nil, problem end
  return tls
end
