/** The environment, read once into one frozen object; or one error with every problem (docs/configuration.md). */
import { existsSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { databaseSettings } from "./config/database-settings.ts";
import { payloadSettings } from "./config/payload-settings.ts";
import { platformSettings, type PlatformSettings } from "./config/platform-settings.ts";
import { Settings, type Machine } from "./config/settings.ts";
import { temporalSettings, type TemporalSettings } from "./config/temporal-settings.ts";
import type { PayloadKey } from "./codec/payload-keys.ts";
import { ApprovalError } from "./domain/errors.ts";
import { bridgeTaskQueue, defaultTaskQueue, isId } from "./domain/names.ts";
import { redact } from "./domain/redact.ts";
import { MAX_TIMEOUT_SECONDS } from "./domain/request.ts";

export interface Config {
  /** WORKSPACE_ID; not everything needs one, see `requireWorkspace`. */
  readonly workspaceId: string | undefined;
  readonly platform: PlatformSettings;
  /** For the people's commands, which never use the agent's token. */
  readonly reviewer: { readonly token?: string; readonly tokenFile?: string };
  readonly approvalTimeoutSeconds: number;
  readonly pollIntervalSeconds: number;
  /** False: no stream, sweeps only. */
  readonly useWebSocket: boolean;
  /** `path` is absolute; `required`: nothing is granted without its record. */
  readonly audit: { readonly path: string; readonly required: boolean };
  /** `undefined` only where neither the queue nor the workspace is set. */
  readonly taskQueue: string | undefined;
  readonly bridgeTaskQueue: string | undefined;
  readonly heartbeatSeconds: number;
  /** Shared by bridge and worker, so that a worker can believe the bridge where the platform's list is too short. */
  readonly hintKey?: string;
  readonly maxStreams: number;
  /** The folder of config.yaml. */
  readonly configFolder: string;
  readonly temporal: TemporalSettings & {
    /** The first one encrypts what Temporal stores, all decrypt; none: nothing is encrypted. */
    readonly payloadKeys: readonly PayloadKey[];
  };
  /** DATABASE_URL, for the inbox; `undefined` where it was not asked for (`LoadOptions.database`). */
  readonly databaseUrl?: string;
  /** Every secret above, for redaction. */
  readonly secrets: readonly string[];
  /** What works and should be known; to be told once. */
  readonly warnings: readonly string[];
}

/** A configuration that names its workspace. */
export interface WorkspaceConfig extends Config {
  readonly workspaceId: string;
  readonly taskQueue: string;
  readonly bridgeTaskQueue: string;
}

export interface LoadOptions {
  /** Settings that have no default and must be there. */
  readonly require?: readonly "workspace"[];
  /** Whether to read DATABASE_URL. Off by default: in an agent's environment it is another program's. */
  readonly database?: boolean;
  /** Default: the file system. */
  readonly machine?: Machine;
}

const WORKSPACE_ALLOWED = "this workspace's id, 1 to 128 of the characters A-Z a-z 0-9 . _ -";
const MAX_SECRET_FILE = 64 * 1024;

/** Throws ApprovalError ERR_CONFIG that lists every problem: the setting's name, what was found, what is allowed. Secrets are never in it. */
export function loadConfig(env: NodeJS.ProcessEnv = process.env, options: LoadOptions = {}): Config {
  const settings = new Settings(env, options.machine ?? FILE_SYSTEM);

  const workspaceId = settings.text("WORKSPACE_ID");
  if (workspaceId === undefined) {
    if (options.require?.includes("workspace") === true)
      settings.problems.push(`WORKSPACE_ID is not set; ${WORKSPACE_REMEDY}`);
  } else if (!isId(workspaceId)) settings.refuse("WORKSPACE_ID", workspaceId, WORKSPACE_ALLOWED);

  const { platform, secrets: platformSecrets } = platformSettings(settings);
  const reviewer = settings.secret("REVIEWER_TOKEN");
  const hint = settings.secret("COUNTERSIGN_HINT_KEY");
  const hintKey = hint.value ?? hint.content;
  if (hintKey !== undefined && hintKey.length < 16) {
    settings.warnings.push(
      `COUNTERSIGN_HINT_KEY has ${hintKey.length} characters and can be guessed; use 32 random ones`,
    );
  }
  const taskQueue = queueOf(settings, workspaceId);
  const { temporal, secrets: temporalSecrets } = temporalSettings(settings, env);
  const { payloadKeys, secrets: payloadSecrets } = payloadSettings(settings);
  const database = options.database === true ? databaseSettings(settings) : undefined;

  const config: Config = {
    workspaceId,
    platform,
    reviewer: {
      ...(reviewer.value === undefined ? {} : { token: reviewer.value }),
      ...(reviewer.file === undefined ? {} : { tokenFile: reviewer.file }),
    },
    approvalTimeoutSeconds: settings.number("APPROVAL_TIMEOUT", 300, {
      above: 0,
      most: MAX_TIMEOUT_SECONDS,
      unit: "seconds",
    }),
    pollIntervalSeconds: settings.number("APPROVAL_POLL_INTERVAL", 5, { above: 0, most: 3_600, unit: "seconds" }),
    // Anything but `false` leaves the choice to us, without an error, as in the original tool.
    useWebSocket: settings.text("APPROVAL_USE_WEBSOCKET")?.toLowerCase() !== "false",
    audit: {
      path: resolve(settings.text("AUDIT_LOG_PATH") ?? "/var/log/molecule/audit.jsonl"),
      required: settings.flag("AUDIT_REQUIRED", true),
    },
    taskQueue,
    bridgeTaskQueue: taskQueue === undefined ? undefined : bridgeTaskQueue(taskQueue),
    heartbeatSeconds: settings.number("COUNTERSIGN_HEARTBEAT", 10, { above: 0, most: 300, unit: "seconds" }),
    ...(hintKey === undefined ? {} : { hintKey }),
    maxStreams: settings.number("COUNTERSIGN_MAX_STREAMS", 1_000, { above: 0, most: 100_000, whole: true }),
    configFolder: resolve(settings.text("WORKSPACE_CONFIG_PATH") ?? "/configs"),
    temporal: { ...temporal, payloadKeys },
    ...(database?.url === undefined ? {} : { databaseUrl: database.url }),
    secrets: known([
      ...platformSecrets,
      reviewer.value,
      reviewer.content,
      hint.value,
      hint.content,
      ...temporalSecrets,
      ...payloadSecrets,
      ...(database?.secrets ?? []),
    ]),
    warnings: settings.warnings,
  };
  // A secret may have been put into the wrong variable.
  if (settings.problems.length > 0) throw configError(settings.problems.map((text) => redact(text, config.secrets)));
  return freeze(config);
}

/** The environment of this process, for those who hand it on: with changes to `loadConfig`, or to a program they start. */
export function processEnvironment(): NodeJS.ProcessEnv {
  return process.env;
}

const WORKSPACE_REMEDY = `set it to ${WORKSPACE_ALLOWED}`;

/** The same configuration, known to name a workspace. Throws ApprovalError ERR_CONFIG where WORKSPACE_ID is not set. */
export function requireWorkspace(config: Config): WorkspaceConfig {
  const { workspaceId, taskQueue, bridgeTaskQueue } = config;
  if (workspaceId === undefined || taskQueue === undefined || bridgeTaskQueue === undefined) {
    throw configError([`WORKSPACE_ID is not set; ${WORKSPACE_REMEDY}`]);
  }
  return Object.freeze({ ...config, workspaceId, taskQueue, bridgeTaskQueue });
}

function queueOf(settings: Settings, workspaceId: string | undefined): string | undefined {
  const fallback = workspaceId === undefined ? "" : defaultTaskQueue(workspaceId);
  // No quotes: the queue's name stands in visibility queries.
  const queue = settings.checked(
    "COUNTERSIGN_TASK_QUEUE",
    fallback,
    "1 to 200 of the characters A-Z a-z 0-9 . _ : @ / -",
    (value) => /^[\w.:@/-]{1,200}$/.test(value),
  );
  return queue === "" ? undefined : queue;
}

function configError(problems: readonly string[]): ApprovalError {
  const [only, ...others] = problems;
  if (others.length === 0) return new ApprovalError("ERR_CONFIG", `The configuration is wrong: ${only}`);
  const list = problems.map((problem, at) => `(${at + 1}) ${problem}`).join("\n");
  return new ApprovalError("ERR_CONFIG", `The configuration has ${problems.length} problems:\n${list}`);
}

function known(secrets: readonly (string | undefined)[]): readonly string[] {
  return [...new Set(secrets.filter((secret) => secret !== undefined))];
}

/** Ours only: the connection options hold buffers, and belong to the SDK. */
function freeze(config: Config): Config {
  for (const part of [
    config.platform,
    config.reviewer,
    config.audit,
    config.temporal,
    config.secrets,
    config.warnings,
  ]) {
    Object.freeze(part);
  }
  return Object.freeze(config);
}

const FILE_SYSTEM: Machine = {
  exists: existsSync,
  read(path) {
    const stat = statSync(path);
    if (!stat.isFile()) throw new Error("it is not a regular file");
    if (stat.size > MAX_SECRET_FILE) throw new Error(`it is larger than ${MAX_SECRET_FILE} bytes`);
    return readFileSync(path, "utf8");
  },
};
