-- `require` and `dofile` in Lua, since a module or file may wait while it runs, which a function of C cannot pass on.
local host, wrong_type = ...
local error, type, pairs, loadfile, setmetatable = error, type, pairs, loadfile, setmetatable
local format, gsub, gmatch, match, find = string.format, string.gsub, string.gmatch, string.match, string.find
local concat, insert, rawget, rawequal = table.concat, table.insert, rawget, rawequal
local package, searchpath, loaded, preload = package, package.searchpath, package.loaded, package.preload
local current_run, is_running, sleep = host.current_run, host.is_running, sleep

-- Modules are looked for beside the configuration first. A module without a part in C that was installed for LuaJIT, as the
-- reference finds it, mostly runs here as well; it comes last.
if not (os.getenv("LUA_PATH_5_4") or os.getenv("LUA_PATH")) then
  local path = "./?.lua;./?/init.lua"
  for _, version in pairs({ "5.4", "5.1" }) do
    for _, folder in pairs({ "/usr/local/share/lua/", "/usr/local/lib/lua/", "/usr/share/lua/" }) do
      path = path .. format(";%s%s/?.lua;%s%s/?/init.lua", folder, version, folder, version)
    end
  end
  package.path = path
end
package.cpath = ""

local function text_argument(value, name)
  if type(value) == "number" then return format("%s", value) end
  if type(value) == "string" then return value end
  wrong_type(value, "string", 1, name, 3)
end

local function search_preload(name)
  local loader = preload[name]
  if loader ~= nil then return loader, ":preload:" end
end

-- Where the path has a module: the folders that are looked into for both its usual files, then the files elsewhere.
local function places(name, path)
  local file = gsub(name, "%.", "/")
  local folders, files = {}, {}
  for template in gmatch(path, "[^;]+") do
    local folder = match(template, "^(.*)/%?%.lua$")
    local init = match(template, "^(.*)/%?/init%.lua$")
    if folder and find(path, folder .. "/?/init.lua", 1, true) then
      folders[#folders + 1] = folder
    elseif not (init and find(path, init .. "/?.lua", 1, true)) then
      files[#files + 1] = "no " .. gsub(template, "%?", (gsub(file, "%%", "%%%%")))
    end
  end
  if #folders > 0 then insert(files, 1, format("no %s.lua or %s/init.lua in %s", file, file, concat(folders, ", "))) end
  return concat(files, ", ")
end

local function search_path(name)
  local path = package.path
  if type(path) ~= "string" then error("'package.path' must be a string", 0) end
  local filename = searchpath(name, path)
  if not filename then return places(name, path) end
  local loader, problem = loadfile(filename)
  if loader then return loader, filename end
  error(format("error loading module '%s' from file '%s':\n\t%s", name, filename, problem), 0)
end

local own_searchers = { search_preload, search_path }
package.searchers = own_searchers
package.loaders = own_searchers -- the name in 5.1

-- A policy may put a list of its own in the place of either.
local function current_searchers()
  local name = rawequal(package.loaders, own_searchers) and "searchers" or "loaders"
  local searchers = package[name]
  if type(searchers) ~= "table" then error(format("'package.%s' must be a table", name), 4) end
  return searchers
end

-- Errors blame the caller of `require`.
local function find_loader(name)
  local searchers = current_searchers()
  local problems = {}
  for i = 1, #searchers + 1 do
    local search = rawget(searchers, i)
    if search == nil then break end
    local loader, data = search(name)
    if type(loader) == "function" then return loader, data end
    if type(loader) == "string" then problems[#problems + 1] = gsub(gsub(loader, "^%s+", ""), "%s*\n%s*", ", ") end
  end
  local reason = "modules in C cannot be loaded, for this Lua is a WebAssembly build"
  error(format("module '%s' not found; %s\n\t%s", name, reason, concat(problems, "; ")), 3)
end

local loading = {} -- by a module's name: the run of a task that loads it
local awaited = {} -- by run: the name of the module that it awaits from another run

-- Whether a run cannot go on before `mine` does.
local function waits_for(run, mine)
  while run do
    if run == mine then return true end
    run = loading[awaited[run]]
  end
  return false
end

-- Lets another task that is loading the module, and waits in it, finish: a module is run once.
local function await_other(name, mine)
  local other = loading[name]
  if not other then return end
  if waits_for(other, mine) then error(format("loop in loading module '%s'", name), 3) end
  local _ <close> = setmetatable({}, { __close = function() awaited[mine] = nil end })
  awaited[mine] = name
  while loading[name] == other and is_running(other) do
    sleep(0.005)
  end
  if loading[name] == other then loading[name] = nil end
end

function require(name)
  name = text_argument(name, "require")
  local value = loaded[name]
  if value then return value end
  local mine = current_run()
  while loading[name] do
    await_other(name, mine)
    value = loaded[name]
    if value then return value end
  end
  loading[name] = mine
  local _ <close> = setmetatable({}, { __close = function() loading[name] = nil end })
  local loader, data = find_loader(name)
  value = loader(name, data)
  if value ~= nil then
    loaded[name] = value
  elseif loaded[name] == nil then
    loaded[name] = true
  end
  return loaded[name], data
end

function dofile(filename)
  if filename ~= nil then filename = text_argument(filename, "dofile") end
  local chunk, problem = loadfile(filename)
  if not chunk then error(problem, 0) end
  return chunk()
end
