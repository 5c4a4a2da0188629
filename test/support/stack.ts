/** Everything of ours against the test platform and a real Temporal server, in this process: the parts, not their commands. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, Connection } from "@temporalio/client";
import { runBridge } from "../../src/bridge/bridge.ts";
import { createApprovals, type Approvals } from "../../src/client/approvals.ts";
import { loadConfig, requireWorkspace, type WorkspaceConfig } from "../../src/config.ts";
import { createLogger, type Log } from "../../src/log.ts";
import { runWorker } from "../../src/worker.ts";
import { startPlatform, type TestPlatform } from "./platform.ts";
import type { PlatformOptions } from "./platform-service.ts";
import { temporalCli, testTemporal } from "./temporal.ts";

export interface StackOptions {
  readonly platform?: Omit<PlatformOptions, "workspaces">;
  /** Over the defaults below. */
  readonly env?: NodeJS.ProcessEnv;
  /** The text of config.yaml; none by default. */
  readonly rbac?: string;
  /** Default true. */
  readonly worker?: boolean;
  readonly bridge?: boolean;
}

export interface AuditLine {
  readonly [key: string]: unknown;
  readonly outcome: string;
  readonly action: string;
  readonly trace_id: string;
}

/** A part of the stack that can be stopped and started again. */
export interface Part {
  stop(): Promise<void>;
}

export interface Stack {
  readonly platform: TestPlatform;
  readonly workspaceId: string;
  readonly token: string;
  readonly env: NodeJS.ProcessEnv;
  readonly config: WorkspaceConfig;
  readonly approvals: Approvals;
  readonly temporal: Client;
  readonly temporalCli: string;
  /** What worker and bridge logged, one JSON object a line. */
  readonly log: readonly string[];
  /** The records on disk, oldest first; of one lifecycle where a trace id is given. */
  audit(traceId?: string): AuditLine[];
  startWorker(env?: NodeJS.ProcessEnv): Part;
  startBridge(env?: NodeJS.ProcessEnv): Part;
  stop(): Promise<void>;
}

export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const own = options.env?.["TEMPORAL_ADDRESS"];
  const temporal =
    own === undefined ? await testTemporal() : { address: own, cliPath: await temporalCli(), cleanup: async () => {} };
  const folder = await mkdtemp(join(tmpdir(), "countersign-"));
  const { WORKSPACE_ID: workspaceId = randomUUID() } = options.env ?? {};
  const token = `token-of-${workspaceId}`;
  const platform = await startPlatform({ ...options.platform, workspaces: { [workspaceId]: { token } } });
  await mkdir(join(folder, "configs"));
  if (options.rbac !== undefined) await writeFile(join(folder, "configs", "config.yaml"), options.rbac);
  const env: NodeJS.ProcessEnv = {
    PATH: process.env["PATH"],
    HOME: folder,
    WORKSPACE_ID: workspaceId,
    PLATFORM_URL: platform.url,
    PLATFORM_TOKEN: token,
    TEMPORAL_ADDRESS: temporal.address,
    AUDIT_LOG_PATH: join(folder, "audit.jsonl"),
    WORKSPACE_CONFIG_PATH: join(folder, "configs"),
    APPROVAL_TIMEOUT: "30",
    APPROVAL_POLL_INTERVAL: "1",
    COUNTERSIGN_HEARTBEAT: "5",
    ...options.env,
  };
  const config = requireWorkspace(loadConfig(env));
  const lines: string[] = [];
  const log = createLogger({
    name: "test",
    secrets: config.secrets,
    destination: { write: (line: string) => void lines.push(line) },
  });
  const connection = await Connection.connect({ address: config.temporal.address });
  const parts = new Set<Part>();

  const part = (
    start: (config: WorkspaceConfig, log: Log, signal: AbortSignal) => Promise<void>,
    over?: NodeJS.ProcessEnv,
  ): Part => {
    const ender = new AbortController();
    const running = start(requireWorkspace(loadConfig({ ...env, ...over })), log, ender.signal);
    running.catch((error: unknown) => lines.push(String(error)));
    const one: Part = {
      async stop() {
        parts.delete(one);
        ender.abort();
        await running;
      },
    };
    parts.add(one);
    return one;
  };

  const stack: Stack = {
    platform,
    workspaceId,
    token,
    env,
    config,
    approvals: createApprovals(config, { warn: () => {} }),
    temporal: new Client({ connection }),
    temporalCli: temporal.cliPath,
    log: lines,
    audit: (traceId) =>
      readAudit(config.audit.path).filter((line) => traceId === undefined || line.trace_id === traceId),
    startWorker: (over) => part((own, ownLog, signal) => runWorker(own, { signal, log: ownLog }), over),
    startBridge: (over) => part((own, ownLog, signal) => runBridge(own, { signal, log: ownLog }), over),
    async stop() {
      await Promise.allSettled([...parts].map((one) => one.stop()));
      await platform.stop();
      await connection.close();
      await temporal.cleanup();
      await rm(folder, { recursive: true, force: true });
    },
  };
  if (options.worker !== false) stack.startWorker();
  if (options.bridge !== false) stack.startBridge();
  return stack;
}

export function readAudit(path: string): AuditLine[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as AuditLine);
}
