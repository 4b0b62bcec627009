/** A file does not grow when what comes equals what goes. */
import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";

import { SqliteStore } from "../../lib/history/sqlite/store.ts";
import type { StoreState } from "../../lib/history/store.ts";
import { temporaryFolder } from "../support/daemon.ts";
import { bytes, row, START } from "../support/history.ts";
import { Random } from "../support/random.ts";

const DAY = 86_400;
const ROWS_A_DAY = 1000;
const RETENTION = 5;
const DAYS = 30;

test("with a retention of 5 days it is as large after 30 days as after 10, whoever logs in", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "history.sqlite");
  const random = new Random(5);
  const store = new SqliteStore({ path, readonly: false, timeout: null, writer: bytes("spec") });
  store.open();
  const sizes: number[] = [];
  for (let day = 1; day <= DAYS; day++) {
    const rows = Array.from({ length: ROWS_A_DAY }, (_, i) =>
      // Half of the logins and devices are never seen again.
      row({
        t: START + day * DAY + (i * DAY) / ROWS_A_DAY,
        login: bytes(i % 2 ? `user${random.below(200)}` : `guess${day}-${i}`),
        remote: bytes(`\x0a${String.fromCharCode(random.below(9), day, i & 0xff)}`),
        device: bytes(i % 2 ? "phone" : `device ${day} ${i}`),
        success: i % 3 === 1,
      }),
    );
    store.run({ number: day, writes: [{ write: "rows", rows }], questions: [], commit: true });
    const now = START + (day + 1) * DAY;
    const ages = { now, unusedBefore: 0, addressesBefore: 0, maxSize: 1e12, limit: 200 };
    while (store.tidy({ ...ages, rowsBefore: now - RETENTION * DAY, hashBefore: now - 7 * DAY }).more);
    const reply = store.ask({ ask: "state" });
    sizes.push("answer" in reply ? (reply.answer as StoreState).size : 0);
  }
  expect(store.ask({ ask: "state" })).toMatchObject({ answer: { rows: RETENTION * ROWS_A_DAY } });
  expect(sizes.at(-1)).toBeLessThan(sizes[9]! * 1.05);
  store.close();
  // Now all of it is in the file.
  expect(statSync(path).size).toBe(sizes.at(-1)!);
});
