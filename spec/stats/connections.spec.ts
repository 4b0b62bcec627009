import { expect, test } from "bun:test";
import { join } from "node:path";

import { Connections } from "../../lib/stats/connections.ts";
import { temporaryFolder } from "../support/daemon.ts";

const HEAD =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n";
const REST =
  "00000000:00000000 00:00000000 00000000     0        0 16 1 00000000d7822db6 100 0 0 10 0                        \n";

const shown = async (tables: string[]): Promise<string> =>
  (await new Connections({ ports: () => [8084, 443], instead: () => 7, tables }).format()).split("\n").at(-2)!;

test("established connections on a listener's port are counted, IPv4 and IPv6, and nothing else", async () => {
  using folder = temporaryFolder();
  const [four, six] = [join(folder.path, "tcp"), join(folder.path, "tcp6")];
  const rows4 = [
    "   0: 00000000:1F94 00000000:0000 0A ", // 8084 listens
    "   1: 0100007F:1F94 0100007F:D431 01 ",
    "   2: 0100007F:D431 0100007F:1F94 01 ", // the client's end, on this machine
    "   3: 0100007F:1F94 0100007F:D432 06 ", // TIME_WAIT
    " 104: 0100007F:01BB 0100007F:D432 01 ",
    "1000: 0100007F:01BC 0100007F:01BB 01 ",
  ];
  const rows6 = ["   0: 00000000000000000000000001000000:1F94 00000000000000000000000001000000:D433 01 "];
  await Bun.write(four, HEAD + rows4.map((row) => row + REST).join(""));
  await Bun.write(six, HEAD + rows6.map((row) => row + REST).join(""));
  expect(await shown([four, six])).toBe("trackalert_active_http_connections 3");
  expect(await shown([four, `${six}-missing`])).toBe("trackalert_active_http_connections 2");
});

test("where there are no tables, requests in flight are shown", async () => {
  expect(await shown(["/nonexistent/tcp"])).toBe("trackalert_active_http_connections 7");
});
