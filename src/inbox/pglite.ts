import { PGlite } from "@electric-sql/pglite";
import { ApprovalError, messageOf } from "../domain/errors.ts";
import type { Sql, SqlRunner, SqlValue } from "./sql.ts";

/**
 * PostgreSQL inside this process, with its data in `folder`; without one in memory. The first start on a folder makes the
 * database, which takes seconds. Only one process may have a folder open: the caller holds a lock.
 * Throws ApprovalError ERR_CONFIG where the folder cannot be used.
 */
export async function openPglite(folder?: string): Promise<Sql> {
  const database = await create(folder);
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

async function create(folder: string | undefined): Promise<PGlite> {
  try {
    return folder === undefined ? await PGlite.create() : await PGlite.create(folder);
  } catch (error) {
    throw new ApprovalError(
      "ERR_CONFIG",
      `The inbox's database ${folder ?? "in memory"} cannot be opened: ${messageOf(error)}; check that the folder can be written and was made by this version, or give another with --data`,
      { cause: error },
    );
  }
}
