/** Profiles in a PostgreSQL database of their own. */
import { SQL } from "bun";

import type { Run } from "../../lib/history/postgres/lists.ts";
import { profileTables } from "../../lib/history/postgres/profile-tables.ts";
import { PostgresProfiles } from "../../lib/history/postgres/profiles.ts";
import type { Reply, Store, Tidying, Turn } from "../../lib/history/store.ts";
import type { ByteString } from "../../lib/text/byte-string.ts";

export async function openPostgresProfiles(url: string): Promise<Store> {
  const u = new URL(url);
  const sql = new SQL({
    path: `${decodeURIComponent(u.hostname)}/.s.PGSQL.5432`,
    username: "spec",
    database: u.pathname.slice(1),
    adapter: "postgres",
    max: 1,
  } as never);
  const profiles = new PostgresProfiles("", "secret" as ByteString);
  const exists = await sql.unsafe("select to_regclass('everybody') as t");
  if (exists[0].t === null)
    for (const one of profileTables("")
      .split(";")
      .filter((s) => s.trim()))
      await sql.unsafe(one);
  return {
    run: ({ writes, questions }: Turn) =>
      sql.begin(async (tx) => {
        const run: Run = (text, values) => tx.unsafe(text, values) as never;
        for (const write of writes) if (write.write === "learn") await profiles.learn(run, write.learnt);
        const replies: Reply[] = [];
        for (const q of questions) {
          if (q.ask === "known") replies.push({ answer: await profiles.known(run, q.login, q.feature, q.value) });
          else if (q.ask === "usage") replies.push({ answer: await profiles.usage(run, q.login, q.levels) });
          else if (q.ask === "profile") replies.push({ answer: await profiles.profile(run, q.login) });
          else if (q.ask === "forget")
            replies.push({ answer: { rows: 0, ...(await profiles.forget(run, q.login)), more: false } });
        }
        return { replies, durable: true };
      }),
    tidy: (tidying: Tidying) =>
      sql.begin(async (tx) => ({
        expired: 0,
        oversize: 0,
        more: await profiles.sweep((text, values) => tx.unsafe(text, values) as never, tidying, tidying.limit),
      })),
    close: () => sql.close(),
  } as unknown as Store;
}
