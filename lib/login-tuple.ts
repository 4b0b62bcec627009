/**
 * The login tuple: what a report says about one login, as it comes in JSON from wforce.
 * Fields are byte strings: see byte-string.ts.
 */
import { type Address, formatAddress, parseAddress, unmapAddress, UNSET_ADDRESS } from "./address/address.ts";
import { type ByteString, toText } from "./text/byte-string.ts";
import { isObject, type Json, type JsonObject } from "./text/json.ts";
import { quoted } from "./text/quoted.ts";

/** String attributes as a flat list: name, value, name, value … */
export type Pairs = ByteString[];
/** Attributes with several values. */
export type Lists = [name: ByteString, values: ByteString[]][];

export interface Attributes {
  attrs: Pairs;
  attrsMv: Lists;
}

export interface LoginTuple extends Attributes {
  /** Seconds since 1970. */
  t: number;
  remote: Address;
  login: ByteString;
  pwhash: ByteString;
  protocol: ByteString;
  deviceId: ByteString;
  failType: ByteString;
  sessionId: ByteString;
  success: boolean;
  policyReject: boolean;
  tls: boolean;
  deviceAttrs: Pairs;
}

/** A body that is no login tuple, or no endpoint arguments; the message names the field and goes back to the sender. */
export class BodyError extends Error {
  override name = "BodyError";
}

const NOTHING = "" as ByteString;

/** Reads device attributes from a device id, as its protocol demands. */
export type ParseDevice = (protocol: ByteString, deviceId: ByteString) => Pairs;

/** Told of a value that is ignored because it is of another type than its field's. `null` counts as missing. */
type Ignored = (field: string, type: string) => void;

/**
 * Reads a report body. A field that is missing or of another type takes its default; what cannot be right at all is refused.
 * @param receivedAt seconds since 1970, for a report without `t`
 * @param parseDevice for a report without `device_attrs`
 * @throws {BodyError}
 */
export function readLoginTuple(
  body: Json,
  receivedAt: number,
  parseDevice: ParseDevice,
  ignored: Ignored = () => {},
): LoginTuple {
  if (!isObject(body)) throw new BodyError(`the body must be a JSON object, not ${nameOfType(body)}`);
  const t = field(body, "t");
  const { attrs, attrsMv } = readAttributes("attrs", field(body, "attrs"), ignored);
  const protocol = string(body, "protocol", ignored);
  const deviceId = string(body, "device_id", ignored);
  const deviceAttrs = field(body, "device_attrs");
  return {
    t: typeof t === "number" && Number.isFinite(t) ? t : otherwise("t", t, receivedAt, ignored),
    remote: readRemote(field(body, "remote"), ignored),
    login: string(body, "login", ignored),
    pwhash: string(body, "pwhash", ignored),
    protocol,
    deviceId,
    failType: string(body, "fail_type", ignored),
    sessionId: string(body, "session_id", ignored),
    success: boolean(body, "success", ignored),
    policyReject: boolean(body, "policy_reject", ignored),
    tls: boolean(body, "tls", ignored),
    attrs,
    attrsMv,
    deviceAttrs: isObject(deviceAttrs)
      ? readAttributes("device_attrs", deviceAttrs, ignored).attrs
      : otherwise("device_attrs", deviceAttrs, parseDevice(protocol, deviceId), ignored),
  };
}

/**
 * Reads the body of a custom endpoint's request: `{"attrs": {…}}`.
 * @throws {BodyError}
 */
export function readEndpointArgs(body: Json): Attributes {
  if (!isObject(body)) throw new BodyError(`the body must be a JSON object, not ${nameOfType(body)}`);
  return readAttributes("attrs", field(body, "attrs"), () => {});
}

/** Splits an `attrs` object: strings to `attrs`, arrays to `attrsMv` (items that are no strings become empty); the rest is ignored. */
function readAttributes(field: string, value: Json | undefined, ignored: Ignored): Attributes {
  const attrs: Pairs = [];
  const attrsMv: Lists = [];
  if (!isObject(value)) return otherwise(field, value, { attrs, attrsMv }, ignored);
  for (const name in value) {
    const item = value[name as ByteString];
    if (typeof item === "string") attrs.push(name as ByteString, item);
    else if (Array.isArray(item)) attrsMv.push([name as ByteString, readList(field, item, ignored)]);
    else otherwise(field, item, undefined, ignored);
  }
  return { attrs, attrsMv };
}

function readList(field: string, items: Json[], ignored: Ignored): ByteString[] {
  let stray: Json | undefined;
  const texts = items.map((item) => {
    if (typeof item === "string") return item;
    stray ??= item;
    return NOTHING;
  });
  return otherwise(field, stray, texts, ignored);
}

const field = (body: JsonObject, name: string): Json | undefined => body[name as ByteString];

function string(body: JsonObject, name: string, ignored: Ignored): ByteString {
  const value = field(body, name);
  return typeof value === "string" ? value : otherwise(name, value, NOTHING, ignored);
}

function boolean(body: JsonObject, name: string, ignored: Ignored): boolean {
  const value = field(body, name);
  return typeof value === "boolean" ? value : otherwise(name, value, false, ignored);
}

/** The default of a field whose value is missing or ignored. */
function otherwise<T>(field: string, value: Json | undefined, fallback: T, ignored: Ignored): T {
  if (value !== undefined && value !== null) ignored(field, Array.isArray(value) ? "array" : typeof value);
  return fallback;
}

/** @throws {BodyError} for a string that is no address */
function readRemote(value: Json | undefined, ignored: Ignored): Address {
  if (typeof value !== "string") return otherwise("remote", value, UNSET_ADDRESS, ignored);
  if (value === "") return UNSET_ADDRESS;
  const address = parseAddress(value);
  if (!address) {
    throw new BodyError(`remote: not an IP address: ${quoted(toText(value))}`);
  }
  return { bytes: unmapAddress(address.bytes), port: address.port };
}

/** What a report says, for a log line; the password hash is left out. */
export function fieldsOf(tuple: LoginTuple): [name: string, value: string][] {
  const { t, remote, success, policyReject, tls } = tuple;
  return [
    ["t", String(t)],
    ["remote", formatAddress(remote.bytes)],
    ["login", toText(tuple.login)],
    ["protocol", toText(tuple.protocol)],
    ["device_id", toText(tuple.deviceId)],
    ["fail_type", toText(tuple.failType)],
    ["session_id", toText(tuple.sessionId)],
    ["success", String(success)],
    ["policy_reject", String(policyReject)],
    ["tls", String(tls)],
    ...pairsOf("attrs", tuple.attrs),
    ...tuple.attrsMv.map(([name, values]): [string, string] => [
      `attrs_mv.${toText(name)}`,
      values.map(toText).join(","),
    ]),
    ...pairsOf("device_attrs", tuple.deviceAttrs),
  ];
}

function* pairsOf(field: string, pairs: Pairs): Iterable<[name: string, value: string]> {
  for (let i = 0; i < pairs.length; i += 2) yield [`${field}.${toText(pairs[i]!)}`, toText(pairs[i + 1]!)];
}

/** What a JSON value is called in a message. */
function nameOfType(value: Json): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : `a ${typeof value}`;
}
