/** The Lua modules that come with the engine, and what they ask of the host. */
import { type ByteString, fromBytes, toByteString, toText } from "../../text/byte-string.ts";
import type { Clock } from "../../time/clock.ts";
import type { HostFunction } from "../call.ts";
import cjsonDecode from "../modules/cjson-decode.lua" with { type: "text" };
import cjsonEncode from "../modules/cjson-encode.lua" with { type: "text" };
import cjson from "../modules/cjson.lua" with { type: "text" };
import ltn12 from "../modules/ltn12.lua" with { type: "text" };
import mime from "../modules/mime.lua" with { type: "text" };
import socketHttpKeys from "../modules/socket-http-keys.lua" with { type: "text" };
import socketHttp from "../modules/socket-http.lua" with { type: "text" };
import socketUrl from "../modules/socket-url.lua" with { type: "text" };
import socket from "../modules/socket.lua" with { type: "text" };
import { LuaError } from "../state.ts";

/** What `require` finds. */
const PUBLIC: Record<string, string> = {
  cjson: 'return (...).module("cjson.new")(false)',
  "cjson.safe": 'return (...).module("cjson.new")(true)',
  ltn12,
  mime,
  socket,
  "socket.http": 'return (...).module("socket.http.new")("http")',
  "socket.url": socketUrl,
  "ssl.https": 'return (...).module("socket.http.new")("https")',
};

/** What only modules use. */
const INTERNAL: Record<string, string> = {
  "cjson.new": cjson,
  "cjson.decode": cjsonDecode,
  "cjson.encode": cjsonEncode,
  "socket.http.new": socketHttp,
  "socket.http.keys": socketHttpKeys,
};

export const MODULE_NAMES = Object.keys(PUBLIC);

export const moduleFunctions = (clock: Clock): Record<string, HostFunction> => ({
  names: { name: "names", body: () => MODULE_NAMES.join(" ") as ByteString },
  source: {
    name: "source",
    body(call) {
      const name = call.text(1);
      const found = PUBLIC[name] ?? INTERNAL[name];
      if (found === undefined) throw new LuaError(`there is no module ${name}`);
      return toByteString(found);
    },
  },
  now: { name: "gettime", body: () => clock.now() / 1000 },
  to_base64: {
    name: "b64",
    body: (call) => Buffer.from(call.bytes(1), "latin1").toString("base64") as ByteString,
  },
  from_base64: { name: "unb64", body: (call) => fromBytes(Buffer.from(toText(call.bytes(1)), "base64")) },
});
