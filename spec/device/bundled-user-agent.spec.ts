import { expect, test } from "bun:test";

import { parseUserAgentBundled } from "../../lib/device/bundled-user-agent.ts";

test.each([
  [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    ["iPhone", "Apple", "iPhone", "iOS", "17", "5", "Mobile Safari", "17", "5"],
  ],
  [
    "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Mobile Safari/537.36",
    ["SM-S918B", "Samsung", "SM-S918B", "Android", "14", "", "Chrome", "125", "0"],
  ],
  [
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    ["Other", "", "", "Linux", "", "", "Firefox", "127", "0"],
  ],
  ["nothing that anybody knows", ["Other", "", "", "Other", "", "", "Other", "", ""]],
  ["", ["Other", "", "", "Other", "", "", "Other", "", ""]],
])("%s", (text, expected) => {
  const { device, os, browser } = parseUserAgentBundled(text);
  expect([
    ...[device.family, device.brand, device.model],
    ...[os.family, os.major, os.minor],
    ...[browser.family, browser.major, browser.minor],
  ]).toEqual(expected);
});
