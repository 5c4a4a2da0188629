import { PGlite } from "@electric-sql/pglite";
import type { Sql, SqlRunner, SqlValue } from "./sql.ts";

/**
 * PostgreSQL inside this process, with its data in `folder`; without one in memory. The first start on a folder makes the
 * database, which takes seconds. Only one process may have a folder open: the caller holds a lock.
 */
export async function openPglite(folder?: string): Promise<Sql> {
  const database = folder === undefined ? await PGlite.create() : await PGlite.create(folder);
  return {
    ...runnerOf(database),
    transaction: (work) => database.transaction((tx) => work(runnerOf(tx))),
    // In one process nothing gets lost on the way.
    listen: async (channel, { heard }) => database.listen(channel, heard),
    close: () => database.close(),
  };
}

function runnerOf(database: Pick<PGlite, "query">): SqlRunner {
  return {
    async query<Row>(text: string, values: readonly SqlValue[] = []) {
      return (await database.query<Row>(text, [...values])).rows;
    },
  };
}
