/** Feeds each parser of text that a peer or a policy chooses a megabyte of its worst, and prints the name of each that is done. */
import { join } from "node:path";

import { parseAddress, parseNetmask } from "../../lib/address/address.ts";
import { defaultConfig } from "../../lib/config.ts";
import { runLines } from "../../lib/console/lines.ts";
import { DeviceParser } from "../../lib/device/device.ts";
import { readRegexesFile } from "../../lib/device/regexes-file.ts";
import { Access } from "../../lib/http/access.ts";
import { prefersGzip } from "../../lib/http/encoding.ts";
import { routeOf } from "../../lib/http/route.ts";
import { escapeControls, formatFields } from "../../lib/log/log.ts";
import { readEndpointArgs, readLoginTuple } from "../../lib/login-tuple.ts";
import { HttpAnswers } from "../../lib/replay/http-answers.ts";
import { type ByteString, percentDecode, toByteString, toText } from "../../lib/text/byte-string.ts";
import { parseJson } from "../../lib/text/json.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { parseDuration } from "../../lib/time/schedule.ts";
import { readRetryAfter } from "../../lib/webhooks/retry-after.ts";
import { startEngine } from "./engine.ts";

const MEGABYTE = 1024 ** 2;
const PARTS = [
  ..."[]:;,./\\\"'{}()0 aA%?&=<>@#-_\n\t\r\0\xff",
  ...'\\" [: :: 1.1 ([{ 0: a: ;device: (OS:1 "" {"a": [{ \\u0041 \\ud800 %41 q=0, NIL" . .. /.. /./ <a@ '
    .split(" ")
    .filter(Boolean),
  "; device: ",
  "basic ",
  "Mon, ",
  "iPhone Version/",
];
const worst = [
  // A quarter of it shows the square as well, and there are many of them.
  ...PARTS.map((part) => part.repeat(Math.ceil(MEGABYTE / 4 / part.length))),
  // What makes a search for an end begin anew at each place.
  ...PARTS.map((part) => `[${part.repeat(MEGABYTE / 16)}x`),
  ...PARTS.map((part) => `"${part.repeat(MEGABYTE / 16)}`),
  ...PARTS.map((part) => `http://a/${part.repeat(MEGABYTE / 16)} x`),
  `[${":".repeat(MEGABYTE)}`,
  `a${" ".repeat(MEGABYTE)}b`,
] as ByteString[];

const regexes = await readRegexesFile(Bun.resolveSync("uap-core/regexes.yaml", import.meta.dir));
const parsers = [new DeviceParser(), new DeviceParser(regexes.rules)];
const access = new Access({ ...defaultConfig(), webserverPassword: "secret" as ByteString });
const PROTOCOLS = ["http", "imap", "mobileapi"] as ByteString[];

const readers: Record<string, (text: ByteString) => unknown> = {
  address: parseAddress,
  netmask: parseNetmask,
  duration: parseDuration,
  json: parseJson,
  route: routeOf,
  query: (text) => routeOf(`/?command=${text}`),
  "percent-encoding": percentDecode,
  authorization: (text) => access.authorizes(text),
  "base64 authorization": (text) => access.authorizes(`Basic ${text}`),
  "accept-encoding": (text) => prefersGzip(text),
  "retry-after": (text) => readRetryAfter(text, 0),
  "log line": (text) => escapeControls(toText(text)),
  "log fields": (text) =>
    formatFields("message", [
      ["key", text],
      [text.slice(0, 1000), "value"],
    ]),
  report: (text) => readLoginTuple(parseJson(toByteString(JSON.stringify({ remote: text }))), 0, () => []),
  attributes: (text) => readEndpointArgs(parseJson(toByteString(JSON.stringify({ attrs: { [text]: "" } })))),
  devices: (text) => PROTOCOLS.map((protocol) => parsers.map((parser) => parser.parse(protocol, text))),
};

/** A fixture's pattern of many parts, each of which could be in many places. */
const pattern = {
  url: `http://h/${"*a".repeat(20)}*b`,
  method: undefined,
  status: 200,
  headers: [],
  body: Buffer.of(),
};
const answers = new HttpAnswers([pattern], { clock: systemClock, asked: () => {} });
const request = { method: "GET", headers: [], body: undefined, timeout: 1, tls: {} };
readers["a replay's requests"] = (text) =>
  answers.request({ ...request, url: { href: `http://h/${text}` } as URL }).catch(() => {});

for (const [name, read] of Object.entries(readers)) {
  console.log(name);
  for (const text of worst) {
    try {
      read(text);
    } catch {
      // Refused, which is as good.
    }
  }
}

console.log("standard input");
async function* byteByByte(): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < MEGABYTE / 2; i++) yield Buffer.from(" ");
}
await runLines(
  byteByByte(),
  async (chunk) => chunk,
  async () => {},
);

console.log("Lua");
const lua = await startEngine(join(import.meta.dir, "..", ".."));
lua.engine.tasks.limit = () => 100;
await lua.run(`
  local url, http, mime, cjson = require("socket.url"), require("socket.http"), require("mime"), require("cjson.safe")
  local parts = { "/", "a", ":", "@", "../", ";", " ", "%41", "=", "0" }
  for _, part in ipairs(parts) do
    local text = part:rep(math.ceil(131072 / #part))
    for _, text in ipairs { text, "http://" .. text, "[" .. text .. "x" } do
      pcall(url.parse, text) pcall(url.absolute, "http://a/" .. text, "b") pcall(url.absolute, "http://a/b", text)
      pcall(url.escape, text) pcall(url.unescape, text) pcall(url.parse_path, text)
      pcall(mime.b64, text) pcall(mime.unb64, text)
      pcall(cjson.decode, text) pcall(cjson.decode, '["' .. text) pcall(cjson.encode, { text })
      pcall(newCA, text) pcall(newNetmask, text) pcall(durationToSeconds, text)
    end
  end`);
console.log("done");
process.exit(0);
