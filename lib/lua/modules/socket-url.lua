-- URLs: parsing, building, resolving, after RFC 3986 and LuaSocket's manual.
local tonumber, type, pairs = tonumber, type, pairs
local gsub, match, find, sub, format = string.gsub, string.match, string.find, string.sub, string.format
local byte, char, gmatch, concat = string.byte, string.char, string.gmatch, table.concat

local function hex(character)
  return format("%%%02x", byte(character))
end

local function escape(text)
  return (gsub(text, "[^%w_]", hex))
end

local function unescape(text)
  return (gsub(text, "%%(%x%x)", function(digits)
    return char(tonumber(digits, 16))
  end))
end

-- A segment of a path keeps what RFC 3986 lets stand there.
local function escape_segment(text)
  return (gsub(text, "[^%w%-_.!~*'():@&=+$,]", hex))
end

-- Takes a pattern's capture off a text: answers the capture, or nil, and what is left.
local function take(text, pattern)
  local first, last, captured = find(text, pattern)
  if not first then return nil, text end
  return captured, sub(text, 1, first - 1) .. sub(text, last + 1)
end

-- parse(url, default) answers a table of the parts that are there, over the defaults.
local function parse(text, default)
  local parsed = {}
  for key, value in pairs(default or {}) do
    parsed[key] = value
  end
  if not text or text == "" then return nil, "invalid url" end
  local function set(key, value)
    if value ~= nil then parsed[key] = value end
  end
  local part
  part, text = take(text, "#(.*)$")
  set("fragment", part)
  part, text = take(text, "^(%a[%w+.-]*):")
  set("scheme", part)
  part, text = take(text, "^//([^/?]*)")
  set("authority", part)
  part, text = take(text, "%?(.*)$")
  set("query", part)
  part, text = take(text, ";(.*)$")
  set("params", part)
  if text ~= "" then parsed.path = text end
  local authority = parsed.authority
  if not authority then return parsed end
  part, authority = take(authority, "^(.*)@")
  set("userinfo", part)
  part, authority = take(authority, ":([^:%]]*)$")
  if part ~= "" then set("port", part) end
  if authority ~= "" then parsed.host = match(authority, "^%[(.*)%]$") or authority end
  local userinfo = parsed.userinfo
  if not userinfo then return parsed end
  parsed.user = match(userinfo, "^([^:]*)")
  set("password", match(userinfo, "^[^:]*:(.*)$"))
  return parsed
end

local function build(parsed)
  local text = parsed.path or ""
  if parsed.params then text = text .. ";" .. parsed.params end
  if parsed.query then text = text .. "?" .. parsed.query end
  local authority = parsed.authority
  if parsed.host then
    local host = parsed.host
    authority = find(host, ":", 1, true) and "[" .. host .. "]" or host
    if parsed.port then authority = authority .. ":" .. parsed.port end
    local userinfo = parsed.userinfo
    if parsed.user then
      userinfo = parsed.user
      if parsed.password then userinfo = userinfo .. ":" .. parsed.password end
    end
    if userinfo then authority = userinfo .. "@" .. authority end
  end
  if authority then
    if text ~= "" and not find(text, "^[/?;]") then text = "/" .. text end
    text = "//" .. authority .. text
  end
  if parsed.scheme then text = parsed.scheme .. ":" .. text end
  if parsed.fragment then text = text .. "#" .. parsed.fragment end
  return text
end

-- Takes "." and ".." out of a path.
local function remove_dots(path)
  local kept, last = {}, ""
  local rooted = sub(path, 1, 1) == "/"
  for segment in gmatch(path, "[^/]+") do
    last = segment
    if segment == ".." then
      if #kept > 0 and kept[#kept] ~= ".." then
        kept[#kept] = nil
      elseif not rooted then
        kept[#kept + 1] = ".."
      end
    elseif segment ~= "." then
      kept[#kept + 1] = segment
    end
  end
  local folder = #kept > 0 and (sub(path, -1) == "/" or last == "." or last == "..")
  return (rooted and "/" or "") .. concat(kept, "/") .. (folder and "/" or "")
end

local function absolute_path(base, relative)
  if sub(relative, 1, 1) == "/" then return remove_dots(relative) end
  return remove_dots((match(base, "^.*/") or "") .. relative)
end

-- absolute(base, relative): where a link leads. The base may be parsed already.
local function absolute(base, relative)
  local parsed_base = base
  if type(base) == "table" then
    base = build(base)
  else
    parsed_base = parse(base)
  end
  local parsed = parse(relative)
  if not parsed_base then return relative end
  if not parsed then return base end
  if parsed.scheme then return relative end
  parsed.scheme = parsed_base.scheme
  if not parsed.authority then
    parsed.authority = parsed_base.authority
    if not parsed.path then
      parsed.path = parsed_base.path
      if not parsed.params then
        parsed.params = parsed_base.params
        if not parsed.query then parsed.query = parsed_base.query end
      end
    else
      local base_path = parsed_base.path or (parsed_base.authority and "/" or "")
      parsed.path = absolute_path(base_path, parsed.path)
    end
  end
  return build(parsed)
end

-- A path as a list of its segments, unescaped, with is_absolute and is_directory; and back.
local function parse_path(path)
  local segments = {}
  path = path or ""
  for segment in gmatch(path, "[^/]+") do
    segments[#segments + 1] = unescape(segment)
  end
  if sub(path, 1, 1) == "/" then segments.is_absolute = 1 end
  if sub(path, -1) == "/" then segments.is_directory = 1 end
  return segments
end

local function build_path(segments, unsafe)
  local escaped = {}
  for i = 1, #segments do
    escaped[i] = unsafe and segments[i] or escape_segment(segments[i])
  end
  local path = concat(escaped, "/")
  if segments.is_directory and #escaped > 0 then path = path .. "/" end
  if segments.is_absolute then path = "/" .. path end
  return path
end

return {
  _VERSION = "URL 1.0.3",
  escape = escape,
  unescape = unescape,
  parse = parse,
  build = build,
  absolute = absolute,
  parse_path = parse_path,
  build_path = build_path,
}
