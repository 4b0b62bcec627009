/**
 * Profiles in PostgreSQL. Several daemons add to the same ones, so all counts are increments, everybody's included; rows are locked in
 * the order of their keys, table by table.
 */
import { type ByteString, fromBytes } from "../../text/byte-string.ts";
import {
  Changes,
  type Learnt,
  type LevelValues,
  type LoginTally,
  MOST_VALUES,
  type ProfileEntry,
  ProfileKeys,
  tallyLogins,
  usageOf,
} from "../profile.ts";
import type { Usage } from "../risk.ts";
import { endOfDay, type ForgottenProfile, LoginState, type ProfileAges } from "../store.ts";
import { applyChanges } from "./everybody.ts";
import { hex, records, type Run } from "./lists.ts";
import { SCHEMA } from "./schema.ts";

interface Gone {
  feature: ByteString;
  value: ByteString;
  count: number;
}

/** Seconds between two looks for what is unused. */
const SWEEP_EVERY = 3600;

export class PostgresProfiles {
  private readonly keys: ProfileKeys;
  /** After which login unused values are looked for next; undefined between two sweeps. */
  private sweptTo: Buffer | undefined;
  private sweptAt = -Infinity;

  /** @param secret see {@link ProfileKeys} */
  constructor(secret: ByteString) {
    this.keys = new ProfileKeys(secret);
  }

  async learn(run: Run, learnt: readonly Learnt[]): Promise<void> {
    const changes = new Changes();
    const tallies = tallyLogins(learnt, this.keys, changes);
    await this.addLogins(run, tallies, changes);
    await this.addPairs(run, tallies);
    const grown = await this.addEntries(run, tallies);
    if (grown.length > 0) await this.removeSurplus(run, grown, changes);
    await applyChanges(run, changes);
  }

  async known(run: Run, login: ByteString, feature: ByteString, value?: ByteString): Promise<ProfileEntry[]> {
    const one = value === undefined ? "" : "and value = $3";
    const found = await run(
      `select value, kind, count, first, last from ${SCHEMA}.entries where login = $1 and feature = $2 ${one}
        order by last desc, value`,
      [login, feature, ...(value === undefined ? [] : [value])].map(toBuffer),
    );
    return found.map(toEntry);
  }

  async profile(run: Run, login: ByteString): Promise<[feature: ByteString, entries: ProfileEntry[]][]> {
    const found = await run(
      `select feature, value, kind, count, first, last from ${SCHEMA}.entries where login = $1
        order by feature, last desc, value`,
      [toBuffer(login)],
    );
    const features = new Map<ByteString, ProfileEntry[]>();
    for (const row of found) {
      const feature = fromBytes(row["feature"]!);
      features.set(feature, [...(features.get(feature) ?? []), toEntry(row)]);
    }
    return [...features];
  }

  async usage(run: Run, login: ByteString, levels: LevelValues): Promise<Usage> {
    const { keys } = this;
    const own: { feature: string; value: string }[] = [];
    const wanted = new Set<number>();
    usageOf(levels, keys, {
      learnt: 0,
      own: (feature, value) => (own.push({ feature: hex(feature), value: hex(value) }), 0),
      all: (key) => (wanted.add(key), 0),
    });
    const [profile] = await run(`select learnt from ${SCHEMA}.logins where login = $1`, [toBuffer(login)]);
    const entries = await run(
      `select feature, value, count from ${SCHEMA}.entries where login = $1 and (feature, value) in
        (select decode(feature, 'hex'), decode(value, 'hex') from ${records("feature text, value text", 2)})`,
      [toBuffer(login), JSON.stringify(own)],
    );
    const counts = await run(
      `select key, count from ${SCHEMA}.everybody where key in (select key from ${records("key bigint")})`,
      [JSON.stringify([...wanted].map((key) => ({ key })))],
    );
    const nameOf = (feature: ByteString, value: ByteString): number => keys.value(feature, value);
    const ofLogin = new Map(
      entries.map((row) => [nameOf(fromBytes(row["feature"]!), fromBytes(row["value"]!)), Number(row["count"])]),
    );
    const ofAll = new Map(counts.map((row) => [Number(row["key"]), Number(row["count"])]));
    return usageOf(levels, keys, {
      learnt: Number(profile?.["learnt"] ?? 0),
      own: (feature, value) => ofLogin.get(nameOf(feature, value)) ?? 0,
      all: (key) => ofAll.get(key) ?? 0,
    });
  }

  /** Removes all that was learnt of a login, from everybody's counts, too. */
  async forget(run: Run, login: ByteString): Promise<ForgottenProfile> {
    const changes = new Changes();
    const learnt = await this.lock(run, [login]);
    const found = await run(`delete from ${SCHEMA}.entries where login = $1 returning feature, value, count`, [
      toBuffer(login),
    ]);
    const gone = found.map(toGone);
    const pairs = await this.subtract(run, new Map([[login, gone]]), changes);
    await this.unlearn(run, learnt, changes);
    const everybody = await applyChanges(run, changes);
    return { profiles: gone.length, pairs, everybody };
  }

  /** Looks at the next logins for values that have not been seen for too long. @returns whether there are more */
  async sweep(run: Run, { now, unusedBefore, addressesBefore }: ProfileAges, limit: number): Promise<boolean> {
    if (this.sweptTo === undefined && now < this.sweptAt + SWEEP_EVERY) return false;
    const found = await run(
      `select login, learnt from ${SCHEMA}.logins where learnt > 0 and login > $1 order by login limit $2 for update`,
      [this.sweptTo ?? Buffer.alloc(0), limit],
    );
    const learnt = learntOf(found);
    const logins = [...learnt.keys()];
    const unused = await run(
      `delete from ${SCHEMA}.entries where ${AMONG_LOGINS}
        and (last < $2 or (kind = 2 and last < $3)) returning login, feature, value, count`,
      [listOf(logins), unusedBefore, addressesBefore],
    );
    const changes = new Changes();
    if (unused.length > 0) {
      const gone = byLogin(unused);
      await this.subtract(run, gone, changes);
      const known = await this.withEntries(run, [...gone.keys()]);
      await this.unlearn(run, new Map([...learnt].filter(([login]) => gone.has(login) && !known.has(login))), changes);
      await applyChanges(run, changes);
    }
    const more = logins.length === limit;
    this.sweptTo = more ? toBuffer(logins.at(-1)!) : undefined;
    if (!more) this.sweptAt = now;
    return more;
  }

  private async addLogins(run: Run, tallies: LoginTally[], changes: Changes): Promise<void> {
    const list = tallies.map(({ login, learnt, last }) => ({ login: hex(login), learnt, last, day: endOfDay(last) }));
    const found = await run(
      `insert into ${SCHEMA}.logins as l (login, first, last, state, learnt, learnt_last)
        select decode(login, 'hex'), last, day, ${LoginState.succeeded}, learnt, last
          from ${records("login text, learnt bigint, last double precision, day double precision")}
        on conflict (login) do update set last = greatest(l.last, excluded.last), state = excluded.state,
          learnt = l.learnt + excluded.learnt, learnt_last = greatest(l.learnt_last, excluded.learnt_last)
        returning login, learnt`,
      [JSON.stringify(list)],
    );
    const learnt = new Map(found.map((row) => [fromBytes(row["login"]!), Number(row["learnt"])]));
    for (const tally of tallies) {
      if (learnt.get(tally.login) === tally.learnt) changes.add(ProfileKeys.logins, undefined, 1);
    }
  }

  private async addPairs(run: Run, tallies: LoginTally[]): Promise<void> {
    const list = tallies.flatMap(({ login, pairs }) => pairs.map((pair) => ({ login: hex(login), ...pair })));
    await run(
      `insert into ${SCHEMA}.pairs as p (login, first, pair, kinds, count)
        select decode(login, 'hex'), "of", key, kinds, count
          from ${records('login text, "of" bigint, key bigint, kinds bigint, count bigint')}
        on conflict (login, first, pair) do update set count = p.count + excluded.count`,
      [JSON.stringify(list)],
    );
  }

  /** @returns features of logins that have got a new value */
  private async addEntries(run: Run, tallies: LoginTally[]): Promise<{ login: string; feature: string }[]> {
    const list = tallies.flatMap(({ login, entries }) =>
      entries.map(({ feature, value, ...entry }) => ({
        login: hex(login),
        feature: hex(feature),
        value: hex(value),
        ...entry,
      })),
    );
    const found = await run(
      `insert into ${SCHEMA}.entries as e (login, feature, value, kind, count, first, last)
        select decode(login, 'hex'), decode(feature, 'hex'), decode(value, 'hex'), kind, count, first, last from ${records(
          "login text, feature text, value text, kind smallint, count bigint, first double precision, last double precision",
        )}
        on conflict (login, feature, value) do update set kind = excluded.kind, count = e.count + excluded.count,
          first = least(e.first, excluded.first), last = greatest(e.last, excluded.last)
        returning login, feature, value, count`,
      [JSON.stringify(list)],
    );
    const added = new Map(list.map(({ login, feature, value, count }) => [`${login} ${feature} ${value}`, count]));
    const grown = new Map<string, { login: string; feature: string }>();
    for (const row of found) {
      const [login, feature, value] = ["login", "feature", "value"].map((name) => hex(fromBytes(row[name]!)));
      if (added.get(`${login} ${feature} ${value}`) !== Number(row["count"])) continue;
      grown.set(`${login} ${feature}`, { login: login!, feature: feature! });
    }
    return [...grown.values()];
  }

  private async removeSurplus(run: Run, grown: { login: string; feature: string }[], changes: Changes): Promise<void> {
    const found = await run(
      `select login, feature, value from (
        select login, feature, value, row_number() over (partition by login, feature order by last desc, value) as place
          from ${SCHEMA}.entries where (login, feature) in
            (select decode(login, 'hex'), decode(feature, 'hex') from ${records("login text, feature text")})
        ) as placed where place > $2 order by login, feature, value`,
      [JSON.stringify(grown), MOST_VALUES],
    );
    if (found.length === 0) return;
    const list = found.map((row) =>
      Object.fromEntries(["login", "feature", "value"].map((name) => [name, hex(fromBytes(row[name]!))])),
    );
    const gone = await run(
      `delete from ${SCHEMA}.entries where (login, feature, value) in (select decode(login, 'hex'), decode(feature, 'hex'),
        decode(value, 'hex') from ${records("login text, feature text, value text")})
        returning login, feature, value, count`,
      [JSON.stringify(list)],
    );
    await this.subtract(run, byLogin(gone), changes);
  }

  /** Takes entries that are gone, and their pairs, out of everybody's counts. @returns how many pairs there were */
  private async subtract(run: Run, gone: Map<ByteString, Gone[]>, changes: Changes): Promise<number> {
    const firsts: { login: string; first: number }[] = [];
    for (const [login, entries] of gone) {
      for (const { feature, value, count } of entries) {
        const key = this.keys.value(feature, value);
        changes.add(key, this.keys.kinds(feature), -count);
        firsts.push({ login: hex(login), first: key });
      }
    }
    const pairs = await run(
      `delete from ${SCHEMA}.pairs where (login, first) in
        (select decode(login, 'hex'), first from ${records("login text, first bigint")}) returning pair, kinds, count`,
      [JSON.stringify(firsts)],
    );
    for (const row of pairs) changes.add(Number(row["pair"]), Number(row["kinds"]), -Number(row["count"]));
    return pairs.length;
  }

  /** Those of whom something is known. */
  private async withEntries(run: Run, logins: ByteString[]): Promise<Set<ByteString>> {
    const found = await run(`select distinct login from ${SCHEMA}.entries where ${AMONG_LOGINS}`, [listOf(logins)]);
    return new Set(found.map((row) => fromBytes(row["login"]!)));
  }

  /** @param learnt how many successes of each were learnt */
  private async unlearn(run: Run, learnt: Map<ByteString, number>, changes: Changes): Promise<void> {
    await run(`update ${SCHEMA}.logins set learnt = 0 where ${AMONG_LOGINS}`, [listOf([...learnt.keys()])]);
    for (const count of learnt.values()) changes.add(ProfileKeys.all, undefined, -count);
    changes.add(ProfileKeys.logins, undefined, -learnt.size);
  }

  /** Others that learn the same logins wait. @returns how many successes were learnt of those that were */
  private async lock(run: Run, logins: ByteString[]): Promise<Map<ByteString, number>> {
    const text = `select login, learnt from ${SCHEMA}.logins where learnt > 0 and ${AMONG_LOGINS} order by login for update`;
    return learntOf(await run(text, [listOf(logins)]));
  }
}

const AMONG_LOGINS = `login in (select decode(login, 'hex') from ${records("login text")})`;
const listOf = (logins: ByteString[]): string => JSON.stringify(logins.map((login) => ({ login: hex(login) })));
const learntOf = (rows: Record<string, never>[]): Map<ByteString, number> =>
  new Map(rows.map((row) => [fromBytes(row["login"]!), Number(row["learnt"])]));

const toBuffer = (bytes: ByteString): Buffer => Buffer.from(bytes, "latin1");

function toEntry(row: Record<string, never>): ProfileEntry {
  const [kind, count, first, last] = ["kind", "count", "first", "last"].map((name) => Number(row[name]));
  return [fromBytes(row["value"]!), kind!, count!, first!, last!];
}

const toGone = (row: Record<string, never>): Gone => ({
  feature: fromBytes(row["feature"]!),
  value: fromBytes(row["value"]!),
  count: Number(row["count"]),
});

function byLogin(rows: Record<string, never>[]): Map<ByteString, Gone[]> {
  const logins = new Map<ByteString, Gone[]>();
  for (const row of rows) {
    const login = fromBytes(row["login"]!);
    logins.set(login, [...(logins.get(login) ?? []), toGone(row)]);
  }
  return logins;
}
