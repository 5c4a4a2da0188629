/** Everything in one: Temporal dev server, inbox, worker and bridge, of which only the server is another process. */
import { createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";
import { runBridge } from "../bridge/bridge.ts";
import { loadConfig, requireWorkspace } from "../config.ts";
import type { WorkspaceConfig } from "../config.ts";
import { freePort, isFree } from "../dev-server/free-port.ts";
import { withInstallLock } from "../dev-server/install-lock.ts";
import { cacheFolder } from "../dev-server/locate.ts";
import { resolveDevServer } from "../dev-server/resolve.ts";
import { startDevServer } from "../dev-server/start.ts";
import type { DevServer } from "../dev-server/start.ts";
import { ApprovalError } from "../domain/errors.ts";
import { createLogger } from "../log.ts";
import type { ProcessOptions } from "../process/options.ts";
import { runWorker } from "../worker.ts";
import { DEMO_WORKSPACE } from "./data-folder.ts";
import type { DataFolder } from "./data-folder.ts";
import { embeddedEnv, writeEnvFile } from "./embedded-env.ts";
import { openInboxData, serveInbox } from "./inbox-data.ts";
import type { InboxData, ServedInbox } from "./inbox-data.ts";

export interface StackOptions {
  readonly folder: DataFolder;
  /** The user's environment; what contradicts the stack is left out of it. */
  readonly env: NodeJS.ProcessEnv;
  /** Ends the start; the signal's reason is thrown. */
  readonly signal: AbortSignal;
  /** One short line per step. */
  readonly tell: (label: string, text: string) => void;
}

export interface EmbeddedStack {
  readonly config: WorkspaceConfig;
  readonly uiUrl: string;
  readonly inboxUrl: string;
  /** Rejects when a part ends by itself; never resolves. */
  readonly failed: Promise<never>;
  /** Drains worker and bridge, then ends the rest. */
  stop(): Promise<void>;
}

const FIRST_PORTS = { temporal: 7233, ui: 8233, inbox: 8080 } as const;
const PORT_ATTEMPTS = 10;

/**
 * Starts all parts and waits until they are ready. Where one fails, those before it are stopped.
 * Throws ERR_CONFIG with every problem of the settings before anything is started, ERR_DEV_SERVER and ERR_AUDIT.
 */
export async function startEmbeddedStack(options: StackOptions): Promise<EmbeddedStack> {
  const { folder, env, signal, tell } = options;
  const workspaceId = env["WORKSPACE_ID"]?.trim() || DEMO_WORKSPACE;
  const planned = { workspaceId, platformUrl: "http://127.0.0.1", temporalAddress: "127.0.0.1:7233" };
  // Wrong settings are told before minutes are spent on a server.
  loadConfig(embeddedEnv(env, folder, planned).env);

  const undo: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let next = undo.pop(); next !== undefined; next = undo.pop()) await next();
  };
  try {
    const data = await openInboxData(folder, workspaceId);
    undo.push(() => data.close());
    const binary = await resolveDevServer({ env, signal, onProgress: (line) => tell("Temporal", line) });
    const server = await startServer(binary.path, options);
    undo.push(() => server.stop());
    const uiUrl = server.uiUrl ?? "";
    tell("Temporal", `${server.address}, web UI ${uiUrl}`);
    signal.throwIfAborted();

    const inbox = await startOnFreePort(data);
    undo.push(() => inbox.stop());
    tell("Inbox", inbox.loginUrl);

    const settings = embeddedEnv(env, folder, {
      workspaceId,
      platformUrl: inbox.url,
      temporalAddress: server.address,
    });
    const config = requireWorkspace(loadConfig(settings.env));
    const parts = startParts(config, folder);
    undo.push(() => parts.stop());
    const failed = Promise.race([parts.failed, serverEnd(server, folder)]);
    // Whoever waits for it hears of it; a failure in a moment when nobody does must not end the process.
    failed.catch(() => undefined);
    await Promise.race([parts.ready, failed, abortOf(signal)]);
    writeEnvFile(folder.envFile, settings);
    tell("Worker", `ready, and the bridge, for workspace ${workspaceId}; log in ${folder.upLog}`);
    return { config, uiUrl, inboxUrl: inbox.url, failed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** One server at a time, or two that start at once take the same free port, and one answers in the place of both. */
async function startServer(binary: string, { folder, env, signal, tell }: StackOptions): Promise<DevServer> {
  const cache = cacheFolder(env);
  const start = (): Promise<DevServer> => startOnFreePorts(binary, folder, signal);
  try {
    mkdirSync(cache, { recursive: true });
  } catch {
    // Without a place for the lock, two at once are at worst one failure that says what happened.
    return start();
  }
  const onWait = (holder: string): void => tell("Temporal", `waiting for ${holder}, which is starting a server too`);
  return withInstallLock(join(cache, "start.lock"), { signal, onWait }, start);
}

async function startOnFreePorts(binary: string, folder: DataFolder, signal: AbortSignal): Promise<DevServer> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort(FIRST_PORTS.temporal);
    const uiPort = await freePort(FIRST_PORTS.ui);
    try {
      return await startDevServer({ binary, port, uiPort, dbFile: folder.temporalDb, logFile: folder.temporalLog });
    } catch (error) {
      signal.throwIfAborted();
      // Another program may have taken a port between the look and the start.
      const taken = !(await isFree(port)) || !(await isFree(uiPort));
      if (!taken || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

async function startOnFreePort(data: InboxData): Promise<ServedInbox> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort(FIRST_PORTS.inbox);
    try {
      return await serveInbox(data, { port });
    } catch (error) {
      const race = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === "EADDRINUSE";
      if (!race || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

interface Parts {
  readonly ready: Promise<unknown>;
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

function startParts(config: WorkspaceConfig, folder: DataFolder): Parts {
  const ender = new AbortController();
  const destination = createWriteStream(folder.upLog, { flags: "a", mode: 0o600 });
  // A full disk must not end what still works.
  destination.on("error", () => {});
  const start = (name: string, run: (config: WorkspaceConfig, options: ProcessOptions) => Promise<void>) => {
    let onReady = (): void => {};
    const ready = new Promise<void>((resolve) => (onReady = resolve));
    const log = createLogger({ name, secrets: config.secrets, destination });
    return { ready, running: run(config, { signal: ender.signal, log, onReady }) };
  };
  const worker = start("worker", runWorker);
  const bridge = start("bridge", runBridge);
  return {
    ready: Promise.all([worker.ready, bridge.ready]),
    failed: Promise.race([neverWell(worker.running), neverWell(bridge.running)]),
    async stop() {
      ender.abort();
      await Promise.allSettled([worker.running, bridge.running]);
      await new Promise<void>((resolve) => destination.end(resolve));
    },
  };
}

/** Passes on a failure, and waits for ever where there is none. */
async function neverWell(running: Promise<void>): Promise<never> {
  await running;
  return new Promise(() => {});
}

async function serverEnd(server: DevServer, folder: DataFolder): Promise<never> {
  await server.exited;
  throw new ApprovalError(
    "ERR_DEV_SERVER",
    `The Temporal dev server (process ${server.pid}) has ended by itself; its output is in ${folder.temporalLog}. Start again: what was waiting is kept`,
  );
}

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}
