import { Client, Pool, type ClientBase, type ClientConfig } from "pg";
import { ApprovalError, messageOf } from "../domain/errors.ts";
import type { ChannelListener, Sql, SqlRunner, SqlValue } from "./sql.ts";

const MAX_CONNECTIONS = 10;
const CONNECT_LIMIT_MS = 10_000;
/** A statement of ours takes milliseconds. */
const STATEMENT_LIMIT_MS = 10_000;
/** How long a dead connection may go unnoticed. */
const CHECK_MS = 10_000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;

/**
 * A PostgreSQL server, by its `postgresql://…` address. Throws ApprovalError ERR_PLATFORM_UNREACHABLE, without the password,
 * where it cannot be reached.
 */
export async function openPostgres(url: string): Promise<Sql> {
  const options: ClientConfig = {
    connectionString: url,
    application_name: "countersign-inbox",
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
    statement_timeout: STATEMENT_LIMIT_MS,
    // A little later than the server's own limit, for a server that no longer answers.
    query_timeout: STATEMENT_LIMIT_MS + 5_000,
    keepAlive: true,
  };
  const pool = new Pool({ ...options, max: MAX_CONNECTIONS });
  // An idle connection that breaks is replaced; unheard, the event would end the process.
  pool.on("error", () => {});
  try {
    await pool.query("select 1");
  } catch (cause) {
    await pool.end();
    throw new ApprovalError(
      "ERR_PLATFORM_UNREACHABLE",
      `The inbox's database ${placeOf(url)} cannot be used: ${messageOf(cause)}; check DATABASE_URL and that the server is up`,
    );
  }
  return {
    query: runnerOf(pool).query,
    async transaction(work) {
      const client = await pool.connect();
      let broken: Error | undefined;
      try {
        await client.query("begin");
        const result = await work(runnerOf(client));
        await client.query("commit");
        return result;
      } catch (error) {
        await client.query("rollback").catch((failure: Error) => (broken = failure));
        throw error;
      } finally {
        // A connection that cannot even roll back is not given to the next.
        client.release(broken);
      }
    },
    listen: (channel, listener) => listen(options, channel, listener),
    close: () => pool.end(),
  };
}

/** A connection of its own that LISTENs, and is replaced when it breaks. */
async function listen(options: ClientConfig, channel: string, listener: ChannelListener): Promise<() => Promise<void>> {
  let stopped = false;
  let current: Client | undefined;
  let checking: NodeJS.Timeout | undefined;
  let retry: NodeJS.Timeout | undefined;

  const connect = async (): Promise<void> => {
    const client = new Client(options);
    const lost = (reason: unknown): void => {
      if (current !== client) return;
      current = undefined;
      clearInterval(checking);
      void client.end().catch(() => undefined);
      if (stopped) return;
      listener.deaf(messageOf(reason));
      again(FIRST_RETRY_MS);
    };
    client.on("error", lost);
    client.on("end", () => lost(new Error("the connection was closed")));
    client.on("notification", ({ payload }) => listener.heard(payload ?? ""));
    try {
      await client.connect();
      await client.query(`listen ${channel}`);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    current = client;
    // A half-open connection would keep silent for ever.
    checking = setInterval(() => void client.query("select 1").catch(lost), CHECK_MS);
    checking.unref();
  };
  const reconnect = async (delayMs: number): Promise<void> => {
    try {
      await connect();
    } catch {
      if (!stopped) again(Math.min(delayMs * 2, LAST_RETRY_MS));
      return;
    }
    if (stopped) await stop();
    else listener.hearing();
  };
  const again = (delayMs: number): void => {
    retry = setTimeout(() => void reconnect(delayMs), delayMs);
  };
  const stop = async (): Promise<void> => {
    stopped = true;
    clearTimeout(retry);
    clearInterval(checking);
    await current?.end().catch(() => undefined);
  };

  await connect();
  return stop;
}

function runnerOf(client: Pool | ClientBase): SqlRunner {
  return {
    async query<Row>(text: string, values: readonly SqlValue[] = []) {
      return (await client.query(text, [...values])).rows as Row[];
    },
  };
}

/** Host, port and name of the database: no user, no password. */
function placeOf(url: string): string {
  if (!URL.canParse(url)) return "(DATABASE_URL)";
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}
