/** The schema of the SQLite file, its versions, and how an older one becomes the newest. */
import type { Database } from "bun:sqlite";

/** Where SQLite keeps whose file it is: "taHi". */
const APPLICATION = 0x74614869;

/**
 * A step for each version, which brings a file there from the one before: all of them make a new file. Times are seconds
 * since 1970.
 */
const MIGRATIONS: readonly string[] = [
  `
  create table meta (name text primary key, value blob not null) strict, without rowid;
  insert into meta values ('hash key', randomblob(32));

  -- Logins have a number; one goes when nothing refers to it.
  create table logins (
    id integer primary key,
    login blob not null unique,
    first real not null,              -- when it was first seen
    last real not null,               -- not before the newest row: the end of its day
    state integer not null,           -- 0 never succeeded, 1 has succeeded, 2 a hash of one that never did
    learnt integer not null default 0, -- successes that its profile knows
    learnt_last real not null default 0
  ) strict;
  create index logins_last on logins (last);
  create index logins_unknown on logins (first) where state = 0;

  -- Other texts of rows, as last above.
  create table texts (id integer primary key, text blob not null unique, last real not null) strict;
  create index texts_last on texts (last);

  create table reports (
    id integer primary key,
    t real not null,
    login integer not null,           -- logins
    remote blob not null,             -- 4 or 16 bytes
    success integer not null,
    policy_reject integer not null,
    tls integer not null,
    fail_type integer not null,       -- texts, as are the following
    protocol integer not null,
    device integer not null,
    country integer,
    asn integer,
    city integer,
    latitude real,
    longitude real,
    more blob                         -- JSON
  ) strict;
  -- What a question about a login or an address looks at most often is in the index.
  create index reports_login on reports (login, t, success, remote);
  create index reports_remote on reports (remote, t, success, login);
  create index reports_t on reports (t);

  create table hours (
    hour integer primary key,         -- when it begins
    reports integer not null,
    failures integer not null,
    logins integer,                   -- different ones; null until they are counted
    addresses integer,
    stale integer not null            -- 1: rows have come since they were counted
  ) strict;
  create index hours_stale on hours (hour) where stale = 1;

  -- Profiles: one entry for each different value of a login's feature, and one for each pair of values.
  create table entries (
    login integer not null,           -- logins
    feature blob not null,
    value blob not null,
    kind integer not null,            -- 0 a text, 1 a number, 2 an address
    count integer not null,
    first real not null,
    last real not null,
    primary key (login, feature, value)
  ) strict, without rowid;
  create table pairs (
    login integer not null,           -- logins
    first integer not null,           -- a hash of the first value, with which the pair goes
    pair integer not null,            -- a hash of both
    kinds integer not null,           -- a hash of the first value and the other's feature
    count integer not null,
    primary key (login, first, pair)
  ) strict, without rowid;
  create index logins_learnt on logins (id) where learnt > 0;
  -- The sums of all profiles, under keyed hashes.
  create table everybody (key integer primary key, count integer not null) strict;

  -- How far files have been imported; a file is known by a hash of its first bytes.
  create table imports (
    head blob primary key,
    length integer not null,          -- of what was hashed
    position integer not null,        -- bytes of the file up to which all has been taken
    ahead text not null               -- where lines begin that have been taken beyond it, as JSON
  ) strict, without rowid;
  `,
  `
  -- How far the process that writes has come: whether a turn was committed whose answer was lost. One row.
  create table turns (writer blob not null, turn integer not null) strict;

  -- Alerts, and which of them has a key until when: see alert-record.ts.
  create table alerts (
    id blob not null,
    key blob not null,
    type blob not null,
    severity integer not null,        -- 0 low … 3 critical
    login blob,
    remote blob,
    message blob not null,
    evidence blob,                     -- JSON
    policy blob,
    host blob not null,
    count integer not null,
    first real not null,
    last real not null,
    until real not null,
    finished integer not null,        -- 1: its cool-down is over, and its count told
    primary key (key, id)
  ) strict, without rowid;
  create index alerts_first on alerts (first, id);
  create index alerts_login on alerts (login, first) where login is not null;
  create index alerts_open on alerts (until) where finished = 0;
  create table cooldowns (key blob not null primary key, id blob not null, until real not null) strict, without rowid;
  `,
];

const NEWEST = MIGRATIONS.length;

/** The file is not to be touched: the message says what it is and what to do. */
export class ForeignFileError extends Error {
  override name = "ForeignFileError";
}

/** @returns the version of its schema, 0 for an empty file. @throws {ForeignFileError} for one of another program, or newer */
export function versionOf(database: Database): number {
  const number = (name: string): number => Object.values(database.query(`pragma ${name}`).get() as object)[0] as number;
  const version = number("user_version");
  const { tables } = database.query("select count(*) as tables from sqlite_schema").get() as { tables: number };
  if (tables === 0 && version === 0) return 0;
  if (number("application_id") !== APPLICATION) {
    throw new ForeignFileError("it is another program's database: move it away, or name another file (newHistory)");
  }
  if (version > NEWEST) {
    throw new ForeignFileError(
      `a newer trackalert wrote it (schema ${version}, this one knows ${NEWEST}): start that one, or move the file away`,
    );
  }
  return version;
}

/** Brings the schema to the newest version, all or nothing. @throws {ForeignFileError} */
export function migrate(database: Database, migrations = MIGRATIONS): void {
  database
    .transaction(() => {
      const version = versionOf(database);
      if (version === migrations.length) return;
      if (version === 0) database.run(`pragma application_id = ${APPLICATION}`);
      for (const step of migrations.slice(version)) database.run(step);
      database.run(`pragma user_version = ${migrations.length}`);
    })
    .immediate();
}
