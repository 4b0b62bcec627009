import { expect, test } from "bun:test";

import { prefersGzip } from "../../lib/http/encoding.ts";

test.each([
  [null, false],
  ["", false],
  ["gzip", true],
  ["GZIP", true],
  ["x-gzip", true],
  ["deflate, gzip;q=1.0, *;q=0.5", true],
  ["gzip;q=0", false],
  ["gzip; q=0.000", false],
  ["gzip;q=0, *", false],
  ["*", true],
  ["*;q=0", false],
  ["identity", false],
  ["br, zstd", false],
  ["identity;q=0.5, gzip;q=0.4", false],
  ["identity;q=0.5, gzip ; q=0.5", true],
  ["gzip;q=0.001", true],
  ["gzip;q=2", false],
  ["gzip;q=", false],
  ["gzip;Q=0", false],
  [";;,,=;q", false],
])("%j is for gzip: %j", (header, gzip) => {
  expect(prefersGzip(header)).toBe(gzip);
});
