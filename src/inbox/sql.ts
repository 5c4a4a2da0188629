/** The little that the inbox needs of a PostgreSQL, so that an embedded one and a server are the same to it. */

export type SqlValue = string | number | boolean | null | readonly string[];

export interface SqlRunner {
  /** Runs one statement with `$1`, `$2`, … and answers its rows. */
  query<Row>(text: string, values?: readonly SqlValue[]): Promise<readonly Row[]>;
}

/** Who listens on a channel. */
export interface ChannelListener {
  /** The payload of one NOTIFY, in the order of the commits. */
  heard(payload: string): void;
  /** The connection is gone: from now on notifications may be missed. */
  deaf(reason: string): void;
  /** Notifications are heard again. */
  hearing(): void;
}

export interface Sql extends SqlRunner {
  /** Runs `work` in one transaction; rolled back where it throws. */
  transaction<Result>(work: (tx: SqlRunner) => Promise<Result>): Promise<Result>;
  /** LISTENs until the returned function is called. Settles once nothing that commits later is missed, short of `deaf`. */
  listen(channel: string, listener: ChannelListener): Promise<() => Promise<void>>;
  close(): Promise<void>;
}
