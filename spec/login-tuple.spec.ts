import { describe, expect, test } from "bun:test";

import { formatAddress } from "../lib/address/address.ts";
import { formatFields } from "../lib/log/log.ts";
import {
  BodyError,
  fieldsOf,
  type LoginTuple,
  type Pairs,
  readEndpointArgs,
  readLoginTuple,
} from "../lib/login-tuple.ts";
import { type ByteString, toByteString } from "../lib/text/byte-string.ts";
import { parseJson } from "../lib/text/json.ts";
import { property } from "./support/random.ts";

const RECEIVED_AT = 1795329293.5;
const EMPTY = {
  t: RECEIVED_AT,
  remote: { bytes: "\0\0\0\0", port: undefined },
  login: "",
  pwhash: "",
  protocol: "",
  deviceId: "",
  failType: "",
  sessionId: "",
  success: false,
  policyReject: false,
  tls: false,
  attrs: [],
  attrsMv: [],
  deviceAttrs: ["asked", ":"],
};

/** Shows what it was asked. */
const parseDevice = (protocol: ByteString, deviceId: ByteString): Pairs => [
  "asked" as ByteString,
  `${protocol}:${deviceId}` as ByteString,
];
const read = (body: object): LoginTuple =>
  readLoginTuple(parseJson(toByteString(JSON.stringify(body))), RECEIVED_AT, parseDevice);
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const refusalOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(BodyError);
    return (error as BodyError).message;
  }
  throw new Error("accepted");
};

describe("readLoginTuple", () => {
  test("reads a report as wforce sends it", () => {
    const lt = read({
      attrs: { accountStatus: "normal", groups: ["a", "b"] },
      device_attrs: { "imapc.family": "Outlook", "os.family": "" },
      device_id: '"name" "Outlook"',
      fail_type: "credentials",
      login: "user3@example.com",
      policy_reject: true,
      protocol: "imap",
      pwhash: "4990",
      remote: "2.125.160.217",
      session_id: "2xebj6rukdntw",
      success: true,
      t: 1795329293.2445419,
      tls: true,
      type: "wforce_report",
    });
    expect(plain(lt)).toEqual({
      t: 1795329293.2445419,
      remote: { bytes: "\x02\x7d\xa0\xd9" },
      login: "user3@example.com",
      pwhash: "4990",
      protocol: "imap",
      deviceId: '"name" "Outlook"',
      failType: "credentials",
      sessionId: "2xebj6rukdntw",
      success: true,
      policyReject: true,
      tls: true,
      attrs: ["accountStatus", "normal"],
      attrsMv: [["groups", ["a", "b"]]],
      deviceAttrs: ["imapc.family", "Outlook", "os.family", ""],
    });
  });

  test("fills what is missing with defaults, and the time with that of receipt", () => {
    expect(plain(read({}))).toEqual(plain(EMPTY));
  });

  const STRINGS = ["login", "pwhash", "protocol", "device_id", "fail_type", "session_id", "remote"];
  const BOOLEANS = ["success", "policy_reject", "tls"];
  const fieldsWith = (names: string[], values: unknown[]): [string, unknown][] =>
    names.flatMap((name) => values.map((value): [string, unknown] => [name, value]));
  test.each([
    ...fieldsWith(STRINGS, [null, 5, true, ["x"], { x: "x" }]),
    ...fieldsWith(BOOLEANS, [null, 1, "true", [true], {}]),
    ...fieldsWith(["t"], [null, "5", true, [5], {}]),
    ...fieldsWith(["attrs", "device_attrs"], [null, "x", 5, true, ["x"]]),
    ["remote", ""],
  ])("takes the default for %p when it is %j", (name, value) => {
    expect(plain(read({ [name]: value }))).toEqual(plain(EMPTY));
  });

  test.each([0, -1, 1.5, 1795329293])("takes %p for a time", (t) => {
    expect(read({ t }).t).toBe(t);
  });

  test("a time beyond all numbers counts as missing", () => {
    expect(readLoginTuple(parseJson('{"t":1e999}' as ByteString), RECEIVED_AT, parseDevice).t).toBe(RECEIVED_AT);
  });

  test.each([
    ["192.0.2.1", "192.0.2.1", undefined],
    ["192.0.2.1:1234", "192.0.2.1", 1234],
    ["2001:db8::1", "2001:db8::1", undefined],
    ["[2001:db8::1]:1234", "2001:db8::1", 1234],
    ["[2001:db8::1]", "2001:db8::1", undefined],
    ["fe80::1%eth0", "fe80::1", undefined],
    ["::ffff:192.0.2.1", "192.0.2.1", undefined],
    ["[::ffff:192.0.2.1]:1234", "192.0.2.1", 1234],
  ])("reads the remote %p", (remote, ip, port) => {
    const { bytes, port: actual } = read({ remote }).remote;
    expect([formatAddress(bytes), actual]).toEqual([ip, port]);
  });

  test.each(["nonsense", " ", "192.0.2", "192.0.2.1 ", "192.0.2.1:", "192.0.2.1/24", "192.0.2.256", "[::1", "é"])(
    "refuses the remote %p by name",
    (remote) => {
      const refusal = refusalOf(() => read({ remote }));
      expect(refusal).toStartWith("remote: ");
      expect(refusal).toContain(JSON.stringify(remote));
    },
  );

  test("quotes no more than the beginning of a long remote", () => {
    expect(refusalOf(() => read({ remote: "x".repeat(100_000) })).length).toBeLessThan(200);
  });

  test("keeps strings byte for byte, NUL and broken UTF-8 included", () => {
    const body = '{"login":"a\\u0000b\xff\\u00fc","attrs":{"k\xfe":"v\xfd"}}' as ByteString;
    const lt = readLoginTuple(parseJson(body), RECEIVED_AT, parseDevice);
    expect(lt.login).toBe("a\0b\xff\xc3\xbc" as ByteString);
    expect(lt.attrs).toEqual(["k\xfe", "v\xfd"] as ByteString[]);
  });

  test.each([
    ["null", "null"],
    ["[]", "an array"],
    ['"x"', "a string"],
    ["5", "a number"],
    ["true", "a boolean"],
  ])("refuses %s as a body and calls it %p", (body, name) => {
    const json = parseJson(body as ByteString);
    expect(refusalOf(() => readLoginTuple(json, RECEIVED_AT, parseDevice))).toContain(`not ${name}`);
    expect(refusalOf(() => readEndpointArgs(json))).toContain(`not ${name}`);
  });
});

describe("attributes", () => {
  test.each([
    [undefined, [], []],
    [{}, [], []],
    [{ a: "1", b: "" }, ["a", "1", "b", ""], []],
    [
      { a: [], b: ["x", "y"] },
      [],
      [
        ["a", []],
        ["b", ["x", "y"]],
      ],
    ],
    [{ a: ["x", 5, null, true, ["y"], {}, "z"] }, [], [["a", ["x", "", "", "", "", "", "z"]]]],
    [{ a: 5, b: null, c: true, d: {}, e: "kept" }, ["e", "kept"], []],
    [{ "": "empty", ü: "ö" }, ["", "empty", "\xc3\xbc", "\xc3\xb6"], []],
    [{ constructor: "x", toString: ["y"] }, ["constructor", "x"], [["toString", ["y"]]]],
  ] as [object | undefined, string[], [string, string[]][]][])("of %j are split by type", (attrs, pairs, lists) => {
    const expected = { attrs: pairs, attrsMv: lists };
    expect(plain(read({ attrs }))).toMatchObject(expected);
    expect(plain(readEndpointArgs(parseJson(toByteString(JSON.stringify({ attrs })))))).toEqual(expected);
  });

  test("a name such as __proto__ is a name like any other", () => {
    const body = parseJson('{"attrs":{"__proto__":"x"},"__proto__":{"login":"joe"}}' as ByteString);
    const lt = readLoginTuple(body, RECEIVED_AT, parseDevice);
    expect([...lt.attrs, lt.login]).toEqual(["__proto__", "x", ""] as ByteString[]);
  });

  property("keep every name and value", 100, (random) => {
    const attrs = Object.fromEntries(random.list(8, () => [random.text(6), random.text(12)]));
    const expected = Object.entries(attrs).flat().map(toByteString);
    expect(read({ attrs }).attrs).toEqual(expected);
    expect(read({ device_attrs: attrs }).deviceAttrs).toEqual(expected);
  });
});

describe("fieldsOf", () => {
  test("names all that a report says but the password hash", () => {
    const body = {
      login: "jürgen",
      pwhash: "ea39",
      t: 5,
      remote: "192.0.2.1",
      attrs: { a: "b", l: ["x", "y"] },
      tls: true,
    };
    const tuple = readLoginTuple(parseJson(toByteString(JSON.stringify(body))), 0, () => []);
    const line = formatFields("report", fieldsOf(tuple));
    expect(line).toBe(
      'report: attrs.a="b" attrs_mv.l="x,y" device_id="" fail_type="" login="jürgen" policy_reject="false" ' +
        'protocol="" remote="192.0.2.1" session_id="" success="false" t="5" tls="true"',
    );
  });
});
