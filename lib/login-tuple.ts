/**
 * The login tuple: what a report says about one login, as it comes in JSON from wforce.
 * Fields are byte strings: see byte-string.ts.
 */
import { type Address, parseAddress, unmapAddress, UNSET_ADDRESS } from "./address/address.ts";
import { type ByteString, toText } from "./text/byte-string.ts";
import { isObject, type Json, type JsonObject } from "./text/json.ts";

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
const LONGEST_SHOWN = 64;

/** Reads device attributes from a device id, as its protocol demands. */
export type ParseDevice = (protocol: ByteString, deviceId: ByteString) => Pairs;

/**
 * Reads a report body. A field that is missing or of another type takes its default; what cannot be right at all is refused.
 * @param receivedAt seconds since 1970, for a report without `t`
 * @param parseDevice for a report without `device_attrs`
 * @throws {BodyError}
 */
export function readLoginTuple(body: Json, receivedAt: number, parseDevice: ParseDevice): LoginTuple {
  if (!isObject(body)) throw new BodyError(`the body must be a JSON object, not ${nameOfType(body)}`);
  const t = field(body, "t");
  const { attrs, attrsMv } = readAttributes(field(body, "attrs"));
  const protocol = string(body, "protocol");
  const deviceId = string(body, "device_id");
  const deviceAttrs = field(body, "device_attrs");
  return {
    t: typeof t === "number" && Number.isFinite(t) ? t : receivedAt,
    remote: readRemote(field(body, "remote")),
    login: string(body, "login"),
    pwhash: string(body, "pwhash"),
    protocol,
    deviceId,
    failType: string(body, "fail_type"),
    sessionId: string(body, "session_id"),
    success: field(body, "success") === true,
    policyReject: field(body, "policy_reject") === true,
    tls: field(body, "tls") === true,
    attrs,
    attrsMv,
    deviceAttrs: isObject(deviceAttrs) ? readAttributes(deviceAttrs).attrs : parseDevice(protocol, deviceId),
  };
}

/**
 * Reads the body of a custom endpoint's request: `{"attrs": {…}}`.
 * @throws {BodyError}
 */
export function readEndpointArgs(body: Json): Attributes {
  if (!isObject(body)) throw new BodyError(`the body must be a JSON object, not ${nameOfType(body)}`);
  return readAttributes(field(body, "attrs"));
}

/** Splits an `attrs` object: strings to `attrs`, arrays to `attrsMv` (items that are no strings become empty); the rest is ignored. */
function readAttributes(value: Json | undefined): Attributes {
  const attrs: Pairs = [];
  const attrsMv: Lists = [];
  if (isObject(value)) {
    for (const name in value) {
      const item = value[name as ByteString];
      if (typeof item === "string") attrs.push(name as ByteString, item);
      else if (Array.isArray(item)) attrsMv.push([name as ByteString, item.map(stringOrNothing)]);
    }
  }
  return { attrs, attrsMv };
}

const field = (body: JsonObject, name: string): Json | undefined => body[name as ByteString];
const stringOrNothing = (value: Json | undefined): ByteString => (typeof value === "string" ? value : NOTHING);
const string = (body: JsonObject, name: string): ByteString => stringOrNothing(field(body, name));

/** @throws {BodyError} for a string that is no address */
function readRemote(value: Json | undefined): Address {
  if (typeof value !== "string" || value === "") return UNSET_ADDRESS;
  const address = parseAddress(value);
  if (!address) {
    const shown = toText(value.slice(0, LONGEST_SHOWN) as ByteString);
    throw new BodyError(`remote: not an IP address: ${JSON.stringify(shown)}`);
  }
  return { bytes: unmapAddress(address.bytes), port: address.port };
}

/** What a JSON value is called in a message. */
function nameOfType(value: Json): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : `a ${typeof value}`;
}
