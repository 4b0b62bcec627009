import { expect, test } from "bun:test";
import net from "node:net";
import tls from "node:tls";

import { announced, readBody } from "../../lib/http/body.ts";
import { Listeners } from "../../lib/http/listeners.ts";
import { Log } from "../../lib/log/log.ts";
import { systemClock } from "../../lib/time/clock.ts";
import { Ongoing } from "../../lib/time/ongoing.ts";
import { makeCertificate, NO_OPENSSL } from "../support/certificates.ts";
import { AUTHORIZATION, PREAMBLE, startDaemon, temporaryFolder } from "../support/daemon.ts";

const HOST = "127.0.0.1";
const HEAD = "POST /command/report HTTP/1.1\r\nHost: x\r\n";
/** What a client sends, and what it goes on sending. */
const SLOW = {
  nothing: ["", ""],
  "a part of the header": ["POST /comm", ""],
  "a header that trickles": [`${HEAD}X-Long: `, "x"],
  "a part of the body": [`${HEAD}Content-Length: 100\r\n\r\n{`, ""],
  "a body that trickles": [`${HEAD}Content-Length: 100000\r\n\r\n{`, "x"],
  "chunks that trickle": [`${HEAD}Transfer-Encoding: chunked\r\n\r\n`, "1\r\nx\r\n"],
} as const;
/** Milliseconds between what trickles: far less than the time-out. */
const TRICKLE = 100;
/** Seconds; Bun rounds it up to some. */
const TIMEOUT = 1;

/** @returns when the server has closed the connection */
async function closed(socket: net.Socket, [first, more]: readonly [string | Buffer, string]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket
    .on("error", () => {})
    .on("close", () => resolve())
    .resume();
  socket.write(first);
  const trickle = setInterval(() => more !== "" && socket.write(more), TRICKLE);
  await promise;
  clearInterval(trickle);
}

test.skipIf(NO_OPENSSL !== undefined)(
  `idle connections and half-sent requests are closed, bytes that trickle in or not${NO_OPENSSL ? ` (not run: ${NO_OPENSSL})` : ""}`,
  async () => {
    using folder = temporaryFolder();
    const { cert, key } = makeCertificate(folder.path, "server", HOST);
    const files = { certificate: cert, key };
    const reading = new Ongoing();
    const handlers = {
      async fetch(request: Request) {
        reading.begin();
        return readBody(request, announced(request))
          .then(() => new Response("whole"))
          .finally(() => reading.end());
      },
      error: () => new Response(null, { status: 500 }),
    };
    const listeners = new Listeners(handlers, { clock: systemClock, log: new Log({ sink: () => {} }) }, TIMEOUT);
    listeners.listen({ hostname: HOST, port: 0 });
    listeners.listen({ hostname: HOST, port: 0, tls: { files, options: {}, where: "" } });
    const [plain, secure] = listeners.addresses.map(({ port }) => port);
    const hello = Buffer.from("1603010200010001fc0303", "hex");
    await Promise.all([
      ...Object.values(SLOW).flatMap((sent) => [
        closed(net.connect(plain!, HOST), sent),
        closed(tls.connect({ port: secure!, host: HOST, rejectUnauthorized: false }), sent),
      ]),
      closed(net.connect(secure!, HOST), [hello, ""]),
      closed(net.connect(secure!, HOST), [hello, "x"]),
    ]);
    await reading.ended();
    await listeners.cut();
  },
  60_000,
);

test("withheld bodies have a bound together: beyond it the answer is 503, and there is room again when they have gone", async () => {
  await using daemon = await startDaemon(PREAMBLE);
  const { hostname, port } = daemon.daemon.addresses[0]!;
  const head = `POST /?command=report HTTP/1.1\r\nHost: a\r\nAuthorization: ${AUTHORIZATION.authorization}\r\nContent-Length: 1048576\r\n\r\n{`;
  const sockets = Array.from({ length: 256 }, () => {
    const socket = net.connect(port, hostname, () => socket.write(head));
    return socket.on("error", () => {});
  });
  const status = async (): Promise<number> => (await daemon.post("/?command=report", {})).status;
  while ((await status()) !== 503) await Bun.sleep(5);
  const refused = await daemon.post("/?command=report", {});
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
  expect((await daemon.get("/livez")).status).toBe(200);
  for (const socket of sockets) socket.destroy();
  while ((await status()) !== 200) await Bun.sleep(5);
}, 20_000);
