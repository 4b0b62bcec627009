/** Which PostgreSQL database is meant, and how to connect to it. */
export interface PostgresTarget {
  /** As people see it: without a password. */
  shown: string;
}
