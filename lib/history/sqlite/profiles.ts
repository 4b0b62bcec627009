/** Profiles in the file: what has been learnt of each login, and of everybody. */
import type { Database, Statement } from "bun:sqlite";

import { type ByteString, fromBytes } from "../../text/byte-string.ts";
import { Everybody } from "../everybody.ts";
import {
  Changes,
  type EntryTally,
  type Learnt,
  type LevelValues,
  type LoginTally,
  MOST_VALUES,
  type PairTally,
  type ProfileEntry,
  ProfileKeys,
  tallyLogins,
  usageOf,
} from "../profile.ts";
import type { Usage } from "../risk.ts";
import type { ForgottenProfile, ProfileAges } from "../store.ts";
import { type Dictionaries, toBlob } from "./dictionary.ts";

const STATEMENTS = {
  learn: `update logins set learnt = learnt + ?, learnt_last = max(learnt_last, ?) where id = ? returning learnt`,
  learnt: "select learnt from logins where login = ?",
  learntOf: "select learnt from logins where id = ?",
  unlearn: "update logins set learnt = 0 where id = ?",
  addEntry: `insert into entries (login, feature, value, kind, count, first, last) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    on conflict do update set kind = ?4, count = count + ?5, first = min(first, ?6), last = max(last, ?7) returning count`,
  addPair: `insert into pairs (login, first, pair, kinds, count) values (?1, ?2, ?3, ?4, ?5)
    on conflict do update set count = count + ?5`,
  values: "select count(*) as n from entries where login = ? and feature = ?",
  oldest: "select feature, value, count from entries where login = ? and feature = ? order by last, value desc limit ?",
  unused: `select feature, value, count from entries
    where login = ?1 and (last < ?2 or (kind = 2 and last < ?3))`,
  every: "select feature, value, count from entries where login = ?",
  removeEntry: "delete from entries where login = ? and feature = ? and value = ?",
  removePairs: "delete from pairs where login = ? and first = ? returning pair, kinds, count",
  entry: "select value, kind, count, first, last from entries where login = ? and feature = ? and value = ?",
  known: `select value, kind, count, first, last from entries where login = ? and feature = ? order by last desc, value`,
  profile: `select feature, value, kind, count, first, last from entries where login = ? order by feature, last desc, value`,
  ofEverybody: "select count from everybody where key = ?",
  setEverybody: "insert into everybody (key, count) values (?1, ?2) on conflict do update set count = ?2",
  removeEverybody: "delete from everybody where key = ?",
  nextLogins: "select id, learnt from logins where learnt > 0 and id > ? order by id limit ?",
} as const;

/** An entry as far as it matters when it goes. */
type Gone = [feature: Uint8Array, value: Uint8Array, count: number];

type RawEntry = [value: Uint8Array, kind: number, count: number, first: number, last: number];

/** Seconds between two looks for what is unused. */
const SWEEP_EVERY = 3600;

export class Profiles {
  private readonly sql: Record<keyof typeof STATEMENTS, Statement>;
  private readonly keys: ProfileKeys;
  private readonly everybody: Everybody;
  /** Up to which login unused values have been looked for; undefined between two sweeps. */
  private sweptTo: number | undefined;
  private sweptAt = -Infinity;

  constructor(
    database: Database,
    private readonly dictionaries: Dictionaries,
  ) {
    this.sql = Object.fromEntries(
      Object.entries(STATEMENTS).map(([name, sql]) => [name, database.prepare(sql)]),
    ) as typeof this.sql;
    this.keys = new ProfileKeys(dictionaries.key);
    this.everybody = new Everybody({
      read: (key) => this.number("ofEverybody", key) ?? 0,
      write: (key, count) =>
        void (count === 0 ? this.sql.removeEverybody.run(key) : this.sql.setEverybody.run(key, count)),
    });
  }

  learn(learnt: readonly Learnt[]): void {
    const changes = new Changes();
    for (const tally of tallyLogins(learnt, this.keys, changes)) this.addLogin(tally, changes);
    this.everybody.apply(changes.sorted);
  }

  /** Writes what is written behind: before each commit. */
  flush(): void {
    this.everybody.flush();
  }

  /** One value of a feature, or all, last seen first. */
  known(login: ByteString, feature: ByteString, value?: ByteString): ProfileEntry[] {
    const id = this.dictionaries.logins.idOf(login);
    if (id === undefined) return [];
    const found =
      value === undefined
        ? this.sql.known.values(id, toBlob(feature))
        : this.sql.entry.values(id, toBlob(feature), toBlob(value));
    return (found as RawEntry[]).map(toEntry);
  }

  /** All that is known of a login: its features, each with its values. */
  profile(login: ByteString): [feature: ByteString, entries: ProfileEntry[]][] {
    const id = this.dictionaries.logins.idOf(login);
    const features = new Map<ByteString, ProfileEntry[]>();
    const found = id === undefined ? [] : (this.sql.profile.values(id) as [Uint8Array, ...RawEntry][]);
    for (const [name, ...entry] of found) {
      const feature = fromBytes(name);
      features.set(feature, [...(features.get(feature) ?? []), toEntry(entry)]);
    }
    return [...features];
  }

  usage(login: ByteString, levels: LevelValues): Usage {
    const id = this.dictionaries.logins.idOf(login);
    return usageOf(levels, this.keys, {
      learnt: this.number("learnt", toBlob(login)) ?? 0,
      own: (feature, value) => (id === undefined ? 0 : (this.known(login, feature, value)[0]?.[2] ?? 0)),
      all: (key) => this.everybody.count(key),
    });
  }

  /** Removes all that was learnt of a login, from everybody's counts, too. */
  forget(id: number): ForgottenProfile {
    const changes = new Changes();
    const entries = this.sql.every.values(id) as Gone[];
    const pairs = this.remove(id, entries, changes);
    const learnt = this.number("learntOf", id) ?? 0;
    if (learnt > 0) this.unlearn(id, learnt, changes);
    const changed = changes.sorted;
    this.everybody.apply(changed);
    return { profiles: entries.length, pairs, everybody: changed.length };
  }

  /** Looks at the next logins for values that have not been seen for too long. @returns whether there are more */
  sweep({ now, unusedBefore, addressesBefore }: ProfileAges, limit: number): boolean {
    if (this.sweptTo === undefined && now < this.sweptAt + SWEEP_EVERY) return false;
    const logins = this.sql.nextLogins.values(this.sweptTo ?? 0, limit) as [id: number, learnt: number][];
    const changes = new Changes();
    for (const [id, learnt] of logins) {
      const unused = this.sql.unused.values(id, unusedBefore, addressesBefore) as Gone[];
      if (unused.length === 0) continue;
      this.remove(id, unused, changes);
      if (this.sql.every.get(id) === null) this.unlearn(id, learnt, changes);
    }
    this.everybody.apply(changes.sorted);
    const more = logins.length === limit;
    this.sweptTo = more ? logins.at(-1)![0] : undefined;
    if (!more) this.sweptAt = now;
    return more;
  }

  private addLogin({ login, learnt, last, entries, pairs }: LoginTally, changes: Changes): void {
    const id = this.dictionaries.logins.add(login, last, true);
    if (this.number("learn", learnt, last, id) === learnt) changes.add(ProfileKeys.logins, undefined, 1);
    // Pairs first: their value may be one too many, and go with them.
    for (const pair of pairs) this.addPair(id, pair);
    for (const entry of entries) this.addEntry(id, entry, changes);
  }

  private addPair(id: number, { of, key, kinds, count }: PairTally): void {
    this.sql.addPair.run(id, of, key, kinds, count);
  }

  private addEntry(id: number, { feature, value, kind, count, first, last }: EntryTally, changes: Changes): void {
    const name = toBlob(feature);
    if (this.number("addEntry", id, name, toBlob(value), kind, count, first, last) !== count) return;
    const surplus = this.number("values", id, name)! - MOST_VALUES;
    if (surplus > 0) this.remove(id, this.sql.oldest.values(id, name, surplus) as Gone[], changes);
  }

  /** @returns how many pairs have gone with them */
  private remove(id: number, entries: readonly Gone[], changes: Changes): number {
    let gone = 0;
    for (const [feature, value, count] of entries) {
      const name = fromBytes(feature);
      const key = this.keys.value(name, fromBytes(value));
      this.sql.removeEntry.run(id, feature, value);
      changes.add(key, this.keys.kinds(name), -count);
      const pairs = this.sql.removePairs.values(id, key) as [pair: number, kinds: number, count: number][];
      for (const [pair, kinds, count] of pairs) changes.add(pair, kinds, -count);
      gone += pairs.length;
    }
    return gone;
  }

  private unlearn(id: number, learnt: number, changes: Changes): void {
    this.sql.unlearn.run(id);
    changes.add(ProfileKeys.all, undefined, -learnt);
    changes.add(ProfileKeys.logins, undefined, -1);
  }

  private number(statement: keyof typeof STATEMENTS, ...values: (number | Buffer)[]): number | undefined {
    const found = this.sql[statement].values(...values) as [number][];
    return found[0]?.[0];
  }
}

const toEntry = ([value, ...rest]: RawEntry): ProfileEntry => [fromBytes(value), ...rest];
