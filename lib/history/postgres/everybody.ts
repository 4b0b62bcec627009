/** Everybody's counts in PostgreSQL: increments, as several daemons add to them. */
import { type Change, Changes } from "../profile.ts";
import { records, type Run } from "./lists.ts";
import { SCHEMA } from "./schema.ts";

/** @returns how many counts have changed */
export async function applyChanges(run: Run, changes: Changes): Promise<number> {
  const counts = changes.sorted;
  const kinds = new Changes();
  const found = await apply(run, counts);
  for (const { key, kinds: of, delta } of counts) {
    const after = found.get(key) ?? 0;
    if (of !== undefined) kinds.add(of, undefined, Math.sign(after) - Math.sign(Math.max(0, after - delta)));
  }
  await apply(run, kinds.sorted);
  return counts.length;
}

/** @returns the counts as they are now */
async function apply(run: Run, changes: readonly Change[]): Promise<Map<number, number>> {
  if (changes.length === 0) return new Map();
  const found = await run(
    `insert into ${SCHEMA}.everybody as e (key, count) select key, delta from ${records("key bigint, delta bigint")}
      on conflict (key) do update set count = greatest(0, e.count + excluded.count) returning key, count`,
    [JSON.stringify(changes.map(({ key, delta }) => ({ key, delta })))],
  );
  const counts = new Map(found.map((row) => [Number(row["key"]), Number(row["count"])]));
  const none = [...counts].filter(([, count]) => count <= 0).map(([key]) => ({ key }));
  if (none.length > 0) {
    await run(`delete from ${SCHEMA}.everybody where key in (select key from ${records("key bigint")})`, [
      JSON.stringify(none),
    ]);
  }
  return counts;
}
