/** All that the inbox keeps, behind one opening and one closing. */
import { createLogins, type Logins } from "./logins.ts";
import { migrate } from "./migrations.ts";
import { createSqlStore } from "./sql-store.ts";
import type { Sql } from "./sql.ts";
import type { ApprovalStore } from "./store.ts";
import { createTokens, type Tokens } from "./tokens.ts";

/** Where it is kept: a PostgreSQL server, or one inside this process, with its data in a folder or in memory. */
export type Place =
  | { readonly databaseUrl: string }
  /** Only one process may have it open: the caller holds a lock. */
  | { readonly folder: string }
  | { readonly memory: true };

export interface Storage {
  readonly sql: Sql;
  readonly approvals: ApprovalStore;
  readonly tokens: Tokens;
  readonly logins: Logins;
  close(): Promise<void>;
}

/**
 * Opens the database and brings its tables up to date. Throws ApprovalError ERR_PLATFORM_UNREACHABLE where a server cannot be
 * reached, and ERR_CONFIG where a newer version has been there.
 */
export async function openStorage(place: Place): Promise<Storage> {
  const sql = await openSql(place);
  try {
    await migrate(sql);
  } catch (error) {
    await sql.close();
    throw error;
  }
  return {
    sql,
    approvals: createSqlStore(sql),
    tokens: createTokens(sql),
    logins: createLogins(sql),
    close: () => sql.close(),
  };
}

// Loaded only where used: the embedded one is 40 MB of WebAssembly.
async function openSql(place: Place): Promise<Sql> {
  if ("databaseUrl" in place) return (await import("./postgres.ts")).openPostgres(place.databaseUrl);
  const { openPglite } = await import("./pglite.ts");
  return "folder" in place ? openPglite(place.folder) : openPglite();
}
