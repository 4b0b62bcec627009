/** Bodies with Content-Encoding, and how much memory bodies may take. */
import { describe, expect, test } from "bun:test";
import * as zlib from "node:zlib";

import { AUTHORIZATION, PREAMBLE, startDaemon, type TestDaemon } from "../support/daemon.ts";
import { Random } from "../support/random.ts";

const SHOW = `${PREAMBLE} setReport(function(lt) print(lt.login) end)
  setCustomEndpoint("own", function(args) return true, args.attrs end)`;
const BODY = '{"login":"jürgen","remote":"192.0.2.1"}';
const LIMIT = 1_048_576;

const ENCODERS: Record<string, (body: Uint8Array) => Uint8Array> = {
  gzip: zlib.gzipSync,
  "x-gzip": zlib.gzipSync,
  GZip: zlib.gzipSync,
  deflate: zlib.deflateSync,
  br: zlib.brotliCompressSync,
  zstd: zlib.zstdCompressSync,
  identity: (body) => body,
};

function send(daemon: TestDaemon, coding: string, body: Uint8Array, path = "/command/report"): Promise<Response> {
  const headers = { ...AUTHORIZATION, "content-encoding": coding };
  return fetch(daemon.url(path), { method: "POST", headers, body: body as Uint8Array<ArrayBuffer> });
}
const reasonOf = async (response: Response): Promise<[number, string]> => [
  response.status,
  ((await response.json()) as { reason: string }).reason,
];

describe("a body with Content-Encoding", () => {
  test.each(Object.keys(ENCODERS))("%s is decoded, for reports and endpoints", async (coding) => {
    await using daemon = await startDaemon(SHOW);
    expect((await send(daemon, coding, ENCODERS[coding]!(Buffer.from(BODY)))).status).toBe(200);
    const attrs = ENCODERS[coding]!(Buffer.from('{"attrs":{"a":"b"}}'));
    expect(await (await send(daemon, coding, attrs, "/command/own")).json()).toEqual({
      success: true,
      r_attrs: { a: "b" },
    });
    expect(daemon.loaded.metrics.reports.get()).toBe(1);
  });

  test("deflate may lack zlib's header", async () => {
    await using daemon = await startDaemon(SHOW);
    expect((await send(daemon, "deflate", zlib.deflateRawSync(Buffer.from(BODY)))).status).toBe(200);
  });

  test.each(["gzip", "deflate", "br", "zstd"])("%s that decodes to more than the limit is 413", async (coding) => {
    await using daemon = await startDaemon(SHOW);
    const bomb = ENCODERS[coding]!(Buffer.alloc(64 * LIMIT, " "));
    expect(bomb.length).toBeLessThan(LIMIT);
    expect(await reasonOf(await send(daemon, coding, bomb))).toEqual([413, `the body is larger than ${LIMIT} bytes`]);
    const fits = Buffer.concat([Buffer.from(BODY), Buffer.alloc(LIMIT - Buffer.byteLength(BODY), " ")]);
    expect((await send(daemon, coding, ENCODERS[coding]!(fits))).status).toBe(200);
    expect((await send(daemon, coding, ENCODERS[coding]!(Buffer.concat([fits, Buffer.from(" ")])))).status).toBe(413);
  });

  test("encoded larger than the limit is 413 too", async () => {
    await using daemon = await startDaemon(SHOW);
    const response = await send(daemon, "gzip", new Random(1).bytes(LIMIT + 1));
    expect(response.status).toBe(413);
  });

  test.each(["compress", "gzip, br", "constructor", "x"])("%s is 415, naming what is accepted", async (coding) => {
    await using daemon = await startDaemon(SHOW);
    const response = await send(daemon, coding, Buffer.from(BODY));
    expect(response.headers.get("accept-encoding")).toBe("gzip, deflate, br, zstd");
    expect(await reasonOf(response)).toEqual([
      415,
      `Content-Encoding: "${coding}" is not accepted, but one of gzip, deflate, br, zstd`,
    ]);
    expect(await daemon.loaded.metrics.format()).toContain('trackalert_reports_rejected_total{reason="coding"} 1\n');
  });

  test.each(["gzip", "deflate", "br", "zstd"])("%s that is none is 400", async (coding) => {
    await using daemon = await startDaemon(SHOW);
    const [status, reason] = await reasonOf(await send(daemon, coding, Buffer.from(BODY)));
    expect([status, reason]).toEqual([
      400,
      expect.stringContaining(`Content-Encoding: the body is not ${coding}: `),
    ] as never);
  });
});
