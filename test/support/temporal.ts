import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../src/dev-server/free-port.ts";
import { resolveDevServer } from "../../src/dev-server/resolve.ts";
import { startDevServer } from "../../src/dev-server/start.ts";
import type { DevServer, DevServerOptions } from "../../src/dev-server/start.ts";

export interface TestTemporal {
  readonly address: string;
  /** The Temporal CLI's binary. */
  readonly cliPath: string;
  /** Stops the server where this file started it; a shared one goes on. Belongs into `after`. */
  cleanup(): Promise<void>;
}

/** The server that `npm test` shares between all files, or, in a file run by itself, one of its own. */
export async function testTemporal(): Promise<TestTemporal> {
  const address = process.env["COUNTERSIGN_TEST_TEMPORAL"];
  const cliPath = await temporalCli();
  if (address) return { address, cliPath, cleanup: async () => {} };
  const server = await startDevServer({ binary: cliPath });
  return { address: server.address, cliPath, cleanup: () => server.stop() };
}

/** A server of the test's own, for tests that kill it; start it again with the same database file and port. */
export async function startOwnServer(
  dbFile: string | undefined,
  options: Omit<DevServerOptions, "binary" | "dbFile"> = {},
): Promise<DevServer> {
  return await startDevServer({
    ...options,
    binary: await temporalCli(),
    ...(dbFile === undefined ? {} : { dbFile }),
  });
}

export interface OwnTemporal {
  readonly address: string;
  /** Sends a signal to the server's process. */
  send(signal: NodeJS.Signals): void;
  kill(): Promise<void>;
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
  /** On its port and database file. */
  start(): Promise<void>;
}

/** A server of one test's own on a database file, gone when the test, or whatever else can be told to clean up, ends. */
export async function ownTemporal(t: { after(clean: () => Promise<unknown>): void }): Promise<OwnTemporal> {
  const folder = await mkdtemp(join(tmpdir(), "countersign-temporal-"));
  const port = await freePort();
  let server: DevServer | undefined;
  const start = async () => {
    server = await startOwnServer(join(folder, "temporal.db"), { port });
  };
  await start();
  t.after(async () => {
    await server?.kill();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    address: `127.0.0.1:${port}`,
    start,
    send: (signal) => void (server !== undefined && process.kill(server.pid, signal)),
    kill: async () => await server?.kill(),
    stop: async () => await server?.stop(),
  };
}

/** The Temporal CLI's path. Throws ERR_DEV_SERVER where there is none: no test is skipped for want of a server. */
export async function temporalCli(): Promise<string> {
  const path = process.env["COUNTERSIGN_TEST_TEMPORAL_CLI"];
  if (path) return path;
  const { path: resolved } = await resolveDevServer({
    env: process.env,
    onProgress: (line) => process.stderr.write(`${line}\n`),
  });
  return resolved;
}
