-- GeoIP look-ups. The databases are the host's; here a database is its number there:  GeoIP2DB { number }
local host, class, check_self, check_address = ...
local setmetatable = setmetatable

local Database, database_class = class("GeoIP2DB")

function getGeoIP2DB(...)
  return setmetatable({ host.get_database(...) }, database_class)
end

-- Whether newGeoIP2DB has opened one of this name.
hasGeoIP2DB = host.has_database

local function city_record(country_code, country_name, region, city, postal_code, continent_code, latitude, longitude)
  return {
    country_code = country_code or "",
    country_name = country_name or "",
    region = region or "",
    city = city or "",
    postal_code = postal_code or "",
    continent_code = continent_code or "",
    latitude = latitude or 0,
    longitude = longitude or 0,
  }
end

function Database.lookupCountry(self, ca)
  check_self(self, "GeoIP2DB", "lookupCountry")
  check_address(ca, 1, "lookupCountry")
  return host.country(self[1], ca[2])
end

function Database.lookupISP(self, ca)
  check_self(self, "GeoIP2DB", "lookupISP")
  check_address(ca, 1, "lookupISP")
  return host.isp(self[1], ca[2])
end

function Database.lookupCity(self, ca)
  check_self(self, "GeoIP2DB", "lookupCity")
  check_address(ca, 1, "lookupCity")
  return city_record(host.city(self[1], ca[2]))
end

function Database.lookupStringValue(self, ca, ...)
  check_self(self, "GeoIP2DB", "lookupStringValue")
  check_address(ca, 1, "lookupStringValue")
  return host.string_value(self[1], ca[2], ...)
end

function Database.lookupUIntValue(self, ca, ...)
  check_self(self, "GeoIP2DB", "lookupUIntValue")
  check_address(ca, 1, "lookupUIntValue")
  return host.unsigned_value(self[1], ca[2], ...)
end

function Database.lookupBoolValue(self, ca, ...)
  check_self(self, "GeoIP2DB", "lookupBoolValue")
  check_address(ca, 1, "lookupBoolValue")
  return host.boolean_value(self[1], ca[2], ...)
end

function Database.lookupDoubleValue(self, ca, ...)
  check_self(self, "GeoIP2DB", "lookupDoubleValue")
  check_address(ca, 1, "lookupDoubleValue")
  return host.double_value(self[1], ca[2], ...)
end

-- The databases that the deprecated initGeoIPDB, initGeoIPCityDB and initGeoIPISPDB open have fixed numbers.
local COUNTRY, CITY, ISP = 0, 1, 2

function lookupCountry(ca)
  check_address(ca, 1, "lookupCountry")
  return host.country(COUNTRY, ca[2])
end

function lookupCity(ca)
  check_address(ca, 1, "lookupCity")
  return city_record(host.city(CITY, ca[2]))
end

function lookupISP(ca)
  check_address(ca, 1, "lookupISP")
  return host.isp(ISP, ca[2])
end
