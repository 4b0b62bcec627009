/** The tables of profiles. */

/** The tables; their unique keys hold the column by which Citus would distribute them. */
export const profileTables = (schema: string): string => `
  create table ${schema}profiles (
    login bytea primary key,
    learnt bigint not null,
    last double precision not null
  );
  create table ${schema}entries (
    login bytea not null,
    feature bytea not null,
    value bytea not null,
    kind smallint not null,
    count bigint not null,
    first double precision not null,
    last double precision not null,
    primary key (login, feature, value)
  );
  create table ${schema}pairs (
    login bytea not null,
    first bigint not null,
    pair bigint not null,
    kinds bigint not null,
    count bigint not null,
    primary key (login, first, pair)
  );
  create table ${schema}everybody (key bigint primary key, count bigint not null);
`;
