-- Every function that a configuration and a policy can call. To be read, not to be run.
--
-- (C)  only in the configuration and on the console: in a report, background or endpoint function it has no effect, and
--      an error is logged once.
-- (W)  waits: suspends the function that calls it, others go on. Works at any depth, but not inside functions that C calls,
--      such as the comparison of table.sort.
-- Wrong arguments raise an error, as in Lua: bad argument #2 to 'addCustomWebHook' (table expected, got no value).

--- The daemon ---------------------------------------------------------------------------------------------------------

addListener("127.0.0.1:8084", false, "", "", {}) -- (C) address and port, TLS, certificate, key, options. May be called often;
-- [::] also serves IPv4, unless that has a listener of its own on the port
addListener("[::1]:8443", true, "cert.pem", "key.pem", { minimum_protocol = "TLSv1.2" }) -- (C) with TLS: PEM files and the
-- options MinProtocol, MaxProtocol (TLSv1.0 to TLSv1.3), Protocol, CipherString, Groups, SignatureAlgorithms, Options,
-- VerifyMode = "Require" with VerifyCAFile: only clients with a certificate of that authority
webserver("127.0.0.1:8084", "password") -- (C) deprecated: addListener and setWebserverPassword in one
setWebserverPassword("password") -- (C) for HTTP basic authentication, any user name; any bytes. Without one, what needs it is refused
setMetricsNoPassword() -- (C) /metrics needs no password
setMaxWebserverConns(10000) -- (C) requests in flight; more are answered 503
addACL("192.0.2.0/24") -- (C) adds to who may connect; "!192.0.2.1/32" excludes; ::ffff:192.0.2.0/120 is 192.0.2.0/24
setACL({ "127.0.0.0/8", "::1/128" }) -- (C) replaces who may connect
controlSocket("127.0.0.1:4004") -- (C) where the console listens; port 4004 unless given
setKey("base64 of 32 bytes") -- (C) the key of the console; answers true, or false when it is none
setNumWorkerThreads(4) -- (C) how many reports may be in the policy at the same time, waiting ones included:
setNumReportThreads(4) -- (C) the larger of the two counts; 10,000 unless set
setNumSchedulerThreads(4) -- (C) how many background functions may run at the same time
setNumLuaStates(6) -- (C) accepted for old configurations: there is one state
setReportTimeout(10) -- (C) seconds of processor time after which a function is stopped
setStateDir("/var/lib/trackalert") -- (C) where queues and history live
shutdown() -- (C) ends the daemon in good order

--- The console --------------------------------------------------------------------------------------------------------

-- (C) these print, and so does print() there: to the answer. A chunk that returns a value is answered by that value; one that
-- fails, or asks a function for what it would log as an error, by what it printed and then "Error: " and why.
help() -- lists the commands
stats() -- how many reports have been received
showACL() -- the netmasks of peers that may connect
showCustomEndpoints() -- the names of the custom endpoints
showStringStatsDBs() -- the dbs of counters: name, keys, bound, memory
showVersion() -- the version
showPerfStats() -- how long requests waited (WTW) and ran (WTR) in the last 5 minutes, in milliseconds
showCommandStats() -- how often each command was called in the last 5 minutes
showCustomStats() -- what the policy counted in the last 5 minutes
makeKey() -- a setKey("…") line with a new random key
testCrypto("text") -- encrypts and decrypts with the key of the console

--- The policy ---------------------------------------------------------------------------------------------------------

setReport(function(lt) end) -- (C) called for each login report
setCustomEndpoint("name", function(args) return true, {} end) -- (C) POST /?command=name; args.attrs, args.attrs_mv
setBackground("name", function() end) -- (C) a function that is run by the clock
cronScheduleBackgroundFunc("*/5 * * * *", "name") -- (C) five fields in local time, or @hourly, @daily …
-- Both day fields given means either, unless one begins with a star: then both must match, as in Vixie cron. TZ may be rules, too.
intervalScheduleBackgroundFunc("00:05:00", "name") -- (C) hours:minutes:seconds; first after one interval, never overlapping
addCustomStat("name") -- (C) declares a counter
incCustomStat("name") -- counts
durationToSeconds("00:05:00") -- h[h…][:mm][:ss] in seconds; 0 and an error in the log when it is none

-- A login tuple, lt, has
--   t (seconds since 1970), remote (a ComboAddress), login, pwhash, success, policy_reject, tls, protocol, session_id,
--   fail_type, device_id, device_attrs (string → string), attrs (string → string), attrs_mv (string → list of strings)

--- Counters: wforce's StringStatsDB -----------------------------------------------------------------------------------

-- For each key, how many, how many different values and how often each, in windows that pass with time: here six of ten minutes,
-- so that a count is gone between 50 and 60 minutes after it was made. They live in memory; with setStateDir they are saved
-- every minute and at the stop, in counters.bin. Up to 64 different values of a field are exact, more are estimated.
newStringStatsDB("OneHourDB", 600, 6, { logins = "int", addresses = "hll", countries = "countmin" }) -- (C) name, seconds, windows
newShardedStringStatsDB("OneDayDB", 3600, 24, { logins = "int" }, 10) -- (C) the same here
setHLLBits(6) -- (C) of dbs made after it: 4 to 16, an error of 13 % with 6, half of that with 8, a quarter with 10
setCountMinBits(0.05, 0.2) -- (C) the same: by how many of all counts a value may seem too frequent, and how likely
local counts = getStringStatsDB("OneHourDB") -- a StringStatsDB; an unknown name is an error in the log, and a db that counts nothing
-- A key is a string, a number or a ComboAddress, which stands for its network. A value is one, too: an address without port.
counts:twAdd("joe", "logins", 1) -- int: adds
counts:twAdd("joe", "addresses", ca) -- hll: one more different value
counts:twAdd("joe", "countries", "NL", 1) -- countmin: one more of that value, or so many
counts:twSub("joe", "logins", 1) -- int: takes away; countmin: one less of that value, or so many
counts:twGet("joe", "logins") -- over all windows: the sum; hll: how many different values; countmin: of all values
counts:twGet("joe", "countries", "NL") -- countmin: how often that value
counts:twGetCurrent("joe", "logins") -- the same of the newest window
counts:twGetWindows("joe", "logins") -- a list of all windows, newest first
counts:twReset("joe") -- removes the key; whether it was there
counts:twResetField("joe", "logins")
counts:twGetSize() -- how many keys
counts:twSetMaxSize(500000) -- (C) over it the key used longest ago goes
counts:twSetv4Prefix(24) -- (C) bits of the networks that addresses stand for: 32 unless set
counts:twSetv6Prefix(64) -- (C) 128 unless set
counts:twGetv4Prefix()
counts:twGetv6Prefix()
counts:twSetExpireSleep(250) -- (C) accepted: nothing sleeps
counts:twEnableReplication() -- (C) accepted: there is nobody to replicate to

--- Logging: a message, and perhaps a table of values ------------------------------------------------------------------

errorLog("message", { key = "value" }) -- level 3
warnLog("message", { key = "value" }) -- level 4
infoLog("message", { key = "value" }) -- level 6
vinfoLog("message", { key = "value" }) -- level 6, only with -v
debugLog("message", { key = "value" }) -- level 7, only with -v

--- Webhooks -----------------------------------------------------------------------------------------------------------

-- (C) keys: url (with %{YYYY}, %{MM}, %{dd}), secret, basic-auth ("user:password"), bearer (a token), api-key, content-type,
-- headers (a table of further ones), max_attempts ("7"), timeout (seconds); ca, cert, key (PEM files) and verify (false) are
-- its TLS, over the settings for all. All are sent and signed as their bytes. kafka ("true"): the receiver is Kafka's REST
-- proxy, and events are JSON; an event that has `records` goes as it is, another one is wrapped as one record; the errors of
-- records in the answer count. Events of one webhook leave in order; one that has to be tried again may come after later ones
addCustomWebHook("name", { url = "https://alerts.example/", secret = "secret", headers = { ["X-Site"] = "berlin" } })
runCustomWebHook("name", '{"some":"json"}') -- hands an event over; with setStateDir it is on disk when this returns
setNumWebHookThreads(5) -- (C) times
setNumWebHookConnsPerThread(10) -- (C) is how many requests are in flight, 256 at most; so many of one webhook, or half
setWebHookQueueSize(50000) -- (C) events that may wait; at the bound the webhook that has most gives up its oldest
setWebHookTimeoutSecs(2) -- (C) seconds for one attempt
showCustomWebHooks() -- successes and failed attempts of each
showWebHookQueue() -- events that are to be delivered
showDeadLetters() -- events that were given up
resendDeadLetters("delivery id") -- puts one of them back into the queue; all of them without an id

--- Other servers ------------------------------------------------------------------------------------------------------

-- These hold for every request that leaves: of webhooks, httpRequest, socket.http and ssl.https. Files are read at the start,
-- by --check-config, and anew at SIGHUP.
setCurlCABundleFile("ca.pem") -- (C) whom to trust, instead of those whom the system trusts
setCurlClientCertAndKey("cert.pem", "key.pem") -- (C) who we are
disableCurlPeerVerification() -- (C) accepts any certificate
disableCurlHostVerification() -- (C) accepts a certificate for another host
-- (C) the proxy, over HTTP_PROXY and HTTPS_PROXY; "" for none. NO_PROXY holds in any case: names (with all below them),
-- addresses, networks, each with a port if need be; * is everything
setHTTPProxy("http://user:password@proxy.example:3128")

--- History: what happened, exactly -----------------------------------------------------------------------------------

-- (C) SQLite in the state directory, or "sqlite::memory:", or PostgreSQL 13 and later: "postgres://user@host/database?sslmode=
-- verify-full", its password there, in PGPASSWORD or in the file of PGPASSFILE. One for a daemon. Durations are 30s, 15m, 24h,
-- 90d, 2w; sizes 500M, 20G. Options, here with what they are unless given: retention of rows; unused, after which entries of
-- profiles go that were not seen; max_size, over which the oldest rows go; batch, over which rows are gathered: a kill loses at
-- most one; timeout of a question; hierarchies of the risk score, lists of { name, weight }, most specific level first
local history = newHistory("sqlite:history.sqlite", { retention = "90d", unused = "400d", max_size = "20G", batch = "1s", timeout = "10s" })
local history = getHistory() -- the same elsewhere
-- Takes a login tuple over and returns at once. Columns: t, login, remote, success, policy_reject, tls, fail_type, protocol,
-- device (the device id) and, of the second table, country, asn, city, latitude, longitude; what else is in it comes back with
-- the row, and cannot be asked for
history:add(lt, { country = "NL", asn = 64500, anything = { "else" } })
-- Questions (W) see what was added before, and answer nil and why ("history away", "history timeout") when there is no answer.
-- A filter names columns, each with a value or a list of which any may be; net = "192.0.2.0/24"; since and before, a duration
-- back from now or seconds since 1970
history:count({ login = "joe", success = false, since = "24h" }, 100) -- how many; counting ends at the limit, if there is one
history:distinct("login", { remote = ca, since = "1h" }, 20) -- how many different ones; ends at the limit
history:top("remote", { success = false }, 10) -- { { value =, count = }, … }; logins that never succeeded are not shown
history:rows({ login = "joe" }, 10) -- the newest, newest first
history:series("1h", { since = "7d" }) -- { { t =, count = }, … }, also those with 0; whole hours without columns outlive rows
history:first({ login = "joe" }) -- the oldest row, or nil
history:last({ login = "joe" }) -- the newest
-- Profiles: what successes have taught, until it is unused. Values are strings, numbers (which come back as such), booleans,
-- addresses and networks; those last two go with rows. At most 100 values of a feature: the one seen longest ago goes
history:learn("joe", { network = "192.0.2.0/24", country = "NL", device = "Thunderbird" }, lt.t) -- counts each once; now without t
history:known("joe", "country") -- (W) { { value =, count =, first =, last = }, … }, last seen first
history:known("joe", "country", "NL") -- (W) one of them, or nil
-- (W) How unusual a success is that has these values: about 1 for an average one, more is more unusual; nil for a login that was
-- never learnt. Features are those of hierarchies (newHistory); one that is left out says nothing
history:risk("joe", { address = "192.0.2.1", asn = 64500, country = "NL", device = "Thunderbird", os = "Linux" })
-- (W) Removes a login; answers how many rows, profiles (values), pairs and everybody (counts that others have), webhooks,
-- counters and alerts about it went, and in not_reached what it does not reach: logs, recordings, backups, what receivers hold.
-- Alerts about others that name it in their evidence, message or key stay
history:forget("joe")
history:export("joe") -- (W) all that is held of a login; { rows = { … }, profile = { country = { … as known } }, alerts = { … as getAlerts } }
showHistory() -- (C) where it is, how much is in it, rows that wait, the slowest question of the last 5 minutes
showLogin("joe") -- (C) what is known of a login: the values of its profile seen last, its newest rows and alerts
backupHistory("copy.sqlite") -- (C) copies an SQLite history to a file that is not there yet; for PostgreSQL there is pg_dump

--- Alerts -------------------------------------------------------------------------------------------------------------

-- Raises an alert (policy functions, background functions, the console): answers its id, or nil, "cooling down" when it was
-- folded into an earlier one of the same key. Waits, up to 2 s, for the history to say whether another daemon has it.
alert({
  type = "password_spray", -- letters, digits, _
  severity = "high", -- low, medium (the default), high, critical
  login = "joe", -- whom it is about
  remote = lt.remote, -- an address or a text
  message = "what happened, for people", -- made of type, login and remote unless given
  evidence = { attempts = 12 }, -- kept as JSON, 16 KiB at most
  key = "spray 192.0.2.0/24", -- what one alert is about: type, login and remote unless given
  cooldown = "1h", -- alerts of one key within it are one; told again as final when it ends, if there were more
  t = lt.t, -- when it happened: the time of the report being handled, else now, unless given
  policy = "spray", -- what raised it
})
getAlerts({ type = "password_spray", login = "joe", remote = "192.0.2.1", severity = "high", since = "7d", before = 1772323200 }, 20) -- (W) newest first, with the names above and id, count, first, last, host
showAlerts(20, { login = "joe" }) -- (C) a row each, newest first

-- (C, in the configuration alone) Where alerts go: to each channel that min_severity (medium unless given) and types (all) let
-- through. All send through the queue of webhooks. redact = true sends keyed hashes for login and remote; summary = true takes
-- what sendSummary sends. Each has its own keys, and ca, cert, key, verify, timeout, max_attempts as addCustomWebHook:
--   webhook        any key of addCustomWebHook; the alert's JSON (conf/alert.schema.json), signed
--   alertmanager   url (without /api/v2/alerts): Prometheus Alertmanager
--   slack          url: Slack, Mattermost, Rocket.Chat
--   wforce         url, password, expire ("1h"), and types named: addBLEntry for the alert's address, network or login
--   mail           relay ("smtp://user:password@host:587", smtps://), from, to (one or a list), subject ("%{severity}: %{message}")
addAlertChannel("chat", { kind = "slack", url = "https://chat.example/hooks/token", min_severity = "high", types = { "password_spray" } })
sendSummary({ type = "daily_summary", message = "text, may have lines", evidence = { alerts = 12 } }) -- to channels with summary
testAlertChannel("chat") -- (W, console) sends a test alert at once, and prints what the receiver said

--- Addresses ----------------------------------------------------------------------------------------------------------

local ca = newCA("192.0.2.1:993") -- a ComboAddress; "[2001:db8::1]:993"; what does not parse is 0.0.0.0 and an error in the log
ca:tostring() -- without port; tostring(ca) and == work
ca:port() -- 0 when there was none
ca:isIPv4()
ca:isIPv6() -- true for ::ffff:192.0.2.1 too
ca:isMappedIPv4()
local mask = newNetmask("192.0.2.1/24") -- a Netmask
newNetmaskFromCA(ca, 24) -- another
mask:toStringNetwork() -- 192.0.2.0/24
mask:match(ca)
local group = newNetmaskGroup() -- a NetmaskGroup: the longest mask decides
group:addMask("!192.0.2.7/32") -- with ! it excludes; a mask of ::ffff:a.b.c.d holds a.b.c.d too, and has /96 or more
group:match(ca)
group:size()
group:clear()

--- GeoIP --------------------------------------------------------------------------------------------------------------

newGeoIP2DB("City", "GeoLite2-City.mmdb") -- (C) opens a database
local db = getGeoIP2DB("City") -- a GeoIP2DB
hasGeoIP2DB("City") -- whether there is one of this name
db:lookupCountry(ca) -- ISO code, or ""
db:lookupISP(ca)
db:lookupCity(ca) -- country_code, country_name, region, city, postal_code, continent_code, latitude, longitude
db:lookupStringValue(ca, { "city", "names", "de" }) -- "" when not found
db:lookupUIntValue(ca, { "location", "accuracy_radius" }) -- 0 when not found
db:lookupBoolValue(ca, { "country", "is_in_european_union" }) -- false when not found
db:lookupDoubleValue(ca, { "location", "latitude" }) -- 0 when not found
reloadGeoIPDBs() -- opens all databases anew; one that cannot be opened stays as it was
reloadGeoIP2DBs() -- the same
initGeoIPDB() -- (C) deprecated: opens MaxMind's database in /usr/share/GeoIP or /var/lib/GeoIP, for
lookupCountry(ca) -- deprecated
initGeoIPCityDB() -- (C) deprecated, for
lookupCity(ca) -- deprecated
initGeoIPISPDB() -- (C) deprecated, for
lookupISP(ca) -- deprecated

--- Waiting ------------------------------------------------------------------------------------------------------------

sleep(0.5) -- (W) seconds
-- (W) answers status, headers and body in a table, or nil and why there is no answer. tls is for this request alone: ca, cert and
-- key are PEM files, verify = false accepts any certificate
httpRequest({ url = "https://api.example/", method = "GET", headers = {}, body = "", timeout = 10, auth = "user:password", tls = {} })
-- For one request to socket.http or ssl.https LuaSec's cafile, certificate, key and verify ("none", "peer") hold the same way.
-- Unlike LuaSec a server needs a certificate that is trusted, unless verify is "none"

-- (W) `require` finds "cjson", "cjson.safe", "socket.http", "ssl.https", "socket.url", "ltn12", "mime", and of LuaSocket's
-- "socket" gettime, sleep, try, protect, dns.toip, connect and tcp(): connect, send, receive, settimeout, setoption,
-- shutdown, getpeername, getsockname, close; enough for redis-lua. A connection belongs to the function that used it last
-- until that function has ended: others wait for it, so that one client for all reports gets nobody another's answers. A
-- connection for each function, or a few to choose from, lets them run side by side. In a replay nobody is reached.

--- The Lua that policies find -----------------------------------------------------------------------------------------

-- Lua 5.4 with the names of 5.1 and LuaJIT, relative paths being relative to the configuration's folder. Not available:
-- os.exit, os.execute, io.popen, debug.sethook, debug.debug, modules in C. Finalizers (__gc) are not called.
--
-- As in LuaJIT: whole numbers are written without a fraction ("k:" .. 3600 / 60 is "k:60"); a fraction is cut off where a
-- function takes a whole number (("abc"):sub(1, 3 / 2) is "a", string.format("%d", 3.7) is "3"), and math.randomseed takes
-- any number; os.date knows the conversions of glibc, such as "%s", "%k" and "%-d"; positions of table.insert and
-- table.remove may lie outside of the list. As in 5.4: 2^63 and more, math.huge and NaN are an error where a whole number is
-- asked for, x % 0 is an error for integers, "%" before a letter is one in what string.gsub puts in, and integers beyond 14
-- digits are written with all of them.

unpack({ 1, 2 }) -- table.unpack
loadstring("return 1") -- load
setfenv(function() end, {}) -- the globals of a Lua function
getfenv(function() end)
debug.setfenv(function() end, {})
debug.getfenv(function() end)
module("name", package.seeall) -- makes the rest of a file a module, in a global table of that name
package.seeall({}) -- the option of module that lets it see the globals
gcinfo() -- kilobytes in use
table.getn({}) -- #
table.maxn({})
table.foreach({}, print)
table.foreachi({}, print)
table.new(10, 0) -- a new table; require "table.new" is this function
table.clear({}) -- removes all entries; require "table.clear" is this function
math.pow(2, 3) -- ^
math.mod(5, 3) -- math.fmod
math.atan2(1, 2)
math.log10(100)
math.cosh(1)
math.sinh(1)
math.tanh(1)
math.frexp(8)
math.ldexp(0.5, 4)
string.gfind("text", "t") -- string.gmatch
package.loaders = package.searchers
bit.tobit(0xffffffff) -- the bit library of LuaJIT: signed numbers of 32 bits
bit.tohex(255, 4)
bit.bnot(0)
bit.band(12, 10)
bit.bor(12, 10)
bit.bxor(12, 10)
bit.lshift(1, 4)
bit.rshift(-1, 28)
bit.arshift(-16, 2)
bit.rol(0x12345678, 12)
bit.ror(0x12345678, 12)
bit.bswap(0x12345678)
jit.version = "LuaJIT 2.1.0-beta3" -- what the reference has; nothing is compiled here
jit.version_num = 20100
jit.os = "Linux"
jit.arch = "x64"
jit.status() -- false
jit.on()
jit.off()
jit.flush()
jit.attach()
jit.opt = { start = print }
