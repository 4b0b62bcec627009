/** What profiles mean, in the plainest way: everybody's counts are summed up whenever they are asked for. */
import type { Learnt, LevelValues, ProfileEntry } from "../../lib/history/profile.ts";
import type { Usage } from "../../lib/history/risk.ts";

interface Entry {
  feature: string;
  value: string;
  kind: number;
  count: number;
  first: number;
  last: number;
  /** What came with it, by feature and value. */
  with: Map<string, [feature: string, count: number]>;
}

export class ProfileModel {
  private readonly logins = new Map<string, { learnt: number; entries: Entry[] }>();

  /** @param most values of a feature */
  constructor(private readonly most: number) {}

  /** Learns what came together, as the stores do: what is one too many goes when all is learnt. */
  learn(batch: readonly Learnt[]): void {
    for (const { login, t, values, pairs } of batch) {
      const profile = this.logins.get(login) ?? { learnt: 0, entries: [] };
      this.logins.set(login, profile);
      profile.learnt++;
      const seen = values.map(([feature, value, kind]) => {
        let entry = profile.entries.find((one) => one.feature === feature && one.value === value);
        if (!entry) {
          entry = { feature, value, kind, count: 0, first: t, last: t, with: new Map() };
          profile.entries.push(entry);
        }
        Object.assign(entry, { kind, count: entry.count + 1 });
        Object.assign(entry, { first: Math.min(entry.first, t), last: Math.max(entry.last, t) });
        return entry;
      });
      for (const [first, other] of pairs) {
        const [feature, value] = values[other]!;
        const key = JSON.stringify([feature, value]);
        seen[first]!.with.set(key, [feature, (seen[first]!.with.get(key)?.[1] ?? 0) + 1]);
      }
    }
    for (const profile of this.logins.values()) {
      for (const feature of new Set(profile.entries.map((entry) => entry.feature))) {
        const surplus = newestFirst(profile.entries.filter((entry) => entry.feature === feature)).slice(this.most);
        profile.entries = profile.entries.filter((entry) => !surplus.includes(entry));
      }
    }
  }

  forget(login: string): void {
    this.logins.delete(login);
  }

  /** Drops what was not seen since a time. @param kind of those that go, all unless given */
  expire(before: number, kind?: number): void {
    for (const [login, profile] of this.logins) {
      const entries = profile.entries.filter((entry) => entry.last >= before || (kind ?? entry.kind) !== entry.kind);
      const lost = entries.length < profile.entries.length;
      profile.entries = entries;
      if (lost && entries.length === 0) this.logins.delete(login);
    }
  }

  known(login: string, feature: string): ProfileEntry[] {
    const entries = this.logins.get(login)?.entries.filter((entry) => entry.feature === feature) ?? [];
    return newestFirst(entries).map(({ value, kind, count, first, last }) => [
      value as never,
      kind,
      count,
      first,
      last,
    ]);
  }

  usage(login: string, levels: LevelValues): Usage {
    const all = [...this.logins.values()];
    const entries = all.flatMap((profile) => profile.entries);
    const count = (of: Entry[], feature: string, value: string): number =>
      of.filter((entry) => entry.feature === feature && entry.value === value).reduce((sum, one) => sum + one.count, 0);
    const own = this.logins.get(login);
    return {
      own: own?.learnt ?? 0,
      all: all.reduce((sum, { learnt }) => sum + learnt, 0),
      logins: all.length,
      levels: levels.map((levels) =>
        levels.map(([feature, value]) => {
          const [first, firstValue] = levels[0]!;
          const sharing = entries.filter((entry) => entry.feature === first && entry.value === firstValue);
          const within = sharing.flatMap((entry) => [...entry.with]).filter(([, [of]]) => of === feature);
          return {
            own: value === null ? null : count(own?.entries ?? [], feature, value),
            all: value === null ? 0 : count(entries, feature, value),
            kinds: new Set(entries.filter((entry) => entry.feature === feature).map((entry) => entry.value)).size,
            kindsWithin: new Set(within.map(([key]) => key)).size,
          };
        }),
      ),
    };
  }

  get names(): string[] {
    return [...this.logins.keys()];
  }
}

const newestFirst = (entries: Entry[]): Entry[] =>
  entries.toSorted((a, b) => b.last - a.last || (a.value < b.value ? -1 : 1));
