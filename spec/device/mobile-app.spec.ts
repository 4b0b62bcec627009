import { describe, expect, test } from "bun:test";

import { parseMobileApp } from "../../lib/device/mobile-app.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";

const FULL = {
  "app.brand": "Acme",
  "app.name": "Mail",
  "app.major": "1",
  "app.minor": "2",
  "os.family": "iOS",
  "os.major": "17",
  "os.minor": "5",
  "device.family": "iPhone 7 Plus",
};
const NOTHING = Object.fromEntries(Object.keys(FULL).map((name) => [name, ""]));

describe("parseMobileApp", () => {
  test("reads all parts", () => {
    const id = "Acme.iOS.Mail/1.2.3+4 (OS: 17.5.1; device: iPhone 7 Plus)";
    expect(parseMobileApp(id as ByteString)).toEqual(FULL);
  });

  test.each([
    ["no minor versions", "Acme.iOS.Mail/1 (OS: 17; device: iPhone 7 Plus)", { "app.minor": "", "os.minor": "" }],
    ["no version of the app", "Acme.iOS.Mail/ (OS: 17.5; device: iPhone 7 Plus)", { "app.major": "", "app.minor": "" }],
    ["no system", "Acme.iOS.Mail/1.2 (x; device: iPhone 7 Plus)", { "os.major": "", "os.minor": "" }],
    ["no device", "Acme.iOS.Mail/1.2 (OS: 17.5)", { "device.family": "" }],
    ["a device with parentheses", "Acme.iOS.Mail/1.2 (OS: 17.5; device: Pad (2nd))", { "device.family": "Pad (2nd)" }],
    ["a device of bytes that are no UTF-8", "Acme.iOS.Mail/1.2 (OS: 17.5; device: \xfc)", { "device.family": "\xfc" }],
  ])("reads the rest when there is %s", (_, id, changed) => {
    expect(parseMobileApp(id as ByteString)).toEqual({ ...FULL, ...changed });
  });

  test.each([
    ["another kind of agent", "curl/8.5.0"],
    ["spaces in front", " Acme.iOS.Mail/1.2"],
    ["two parts only", "Acme.Mail/1.2"],
    ["nothing", ""],
  ])("finds nothing in %s", (_, id) => {
    expect(parseMobileApp(id as ByteString)).toEqual(NOTHING);
  });
});
