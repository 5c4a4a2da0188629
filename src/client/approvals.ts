/** What agent code calls. */
import { loadConfig, requireWorkspace } from "../config.ts";
import type { Config } from "../config.ts";
import type { ApprovalResult } from "../domain/outcome.ts";
import { cancelRun, createHandle, endedHandle } from "./handle.ts";
import type { ApprovalHandle } from "./handle.ts";
import { listRunning } from "./list-running.ts";
import type { RunningApproval } from "./list-running.ts";
import { prepareRequest } from "./prepare-request.ts";
import type { RequestOptions } from "./prepare-request.ts";
import { startRequest } from "./start-request.ts";
import type { Started } from "./start-request.ts";
import { cancelledResult, failedResult } from "./stored-result.ts";
import { createTemporalPool } from "./temporal-pool.ts";
import { emitWarning, outageWarning } from "./warnings.ts";
import type { Warn } from "./warnings.ts";

export interface ClientOptions {
  /** Hears that no worker polls the queue (once per instance) and of outages in mid-wait. Default: `process.emitWarning`. */
  readonly warn?: Warn | undefined;
  /** Milliseconds that Temporal may be unreachable at the start of a request. Default: 30,000. */
  readonly unreachableAfterMs?: number | undefined;
  /** Milliseconds without an end after which the queue is looked at for a worker. Default: 5,000. */
  readonly noWorkerAfterMs?: number | undefined;
}

export interface Approvals {
  /**
   * Asks a person and waits for the answer. Every end is a value; only misuse throws, before anything is started:
   * ApprovalError ERR_REQUEST_INVALID, ERR_REQUEST_MISMATCH or ERR_CONFIG. The agent's exit cancels nothing.
   */
  request(action: string, reason: string, options?: RequestOptions): Promise<ApprovalResult>;
  /** Asks, and returns as soon as the request is safe in Temporal. Throws as `request` does. */
  start(action: string, reason: string, options?: RequestOptions): Promise<ApprovalHandle>;
  /** The running approvals of the workspace. Throws ApprovalError ERR_TEMPORAL_UNREACHABLE, ERR_TEMPORAL_REFUSED or ERR_CONFIG. */
  list(): Promise<readonly RunningApproval[]>;
}

const UNREACHABLE_AFTER_MS = 30_000;
const NO_WORKER_AFTER_MS = 5_000;

/**
 * The approvals of one workspace. Without `config` the environment is read at each call (docs/configuration.md).
 * Connects at the first call, and disconnects when no call is active.
 */
export function createApprovals(config?: Config, options: ClientOptions = {}): Approvals {
  const pool = createTemporalPool();
  const warn = warnOnceWithoutWorker(options.warn ?? emitWarning);
  const current = () => requireWorkspace(config ?? loadConfig());

  /** The handle, and the function that stops watching the caller's signal. */
  const begin = async (action: string, reason: string, requestOptions: RequestOptions) => {
    const settings = current();
    const { signal } = requestOptions;
    const prepared = prepareRequest(settings, action, reason, requestOptions);
    const { workflowId } = prepared;
    const requestId = prepared.request.request_id;
    const deps = { pool, config: settings, warn, noWorkerAfterMs: options.noWorkerAfterMs ?? NO_WORKER_AFTER_MS };
    if (signal?.aborted)
      return { handle: endedHandle(workflowId, requestId, cancelledResult(workflowId)), settle: nothing };

    const started: Started = await pool.use(settings.temporal, (temporal) =>
      startRequest(
        temporal,
        prepared,
        {
          taskQueue: settings.taskQueue,
          secrets: settings.secrets,
          patienceMs: options.unreachableAfterMs ?? UNREACHABLE_AFTER_MS,
          onOutage: (cause) => warn(outageWarning(temporal.address, workflowId, cause)),
        },
        signal,
      ),
    );
    if ("unstarted" in started) {
      const result = signal?.aborted ? cancelledResult(workflowId) : failedResult(workflowId, started.unstarted);
      return { handle: endedHandle(workflowId, requestId, result), settle: nothing };
    }
    const { run } = started;
    const withdraw = () => void pool.use(settings.temporal, (temporal) => cancelRun(temporal, run));
    return { handle: createHandle(deps, run, requestId), settle: onAbort(signal, withdraw) };
  };

  return {
    async request(action, reason, requestOptions = {}) {
      const { handle, settle } = await begin(action, reason, requestOptions);
      try {
        return await handle.result();
      } finally {
        settle();
      }
    },
    async start(action, reason, requestOptions = {}) {
      return (await begin(action, reason, requestOptions)).handle;
    },
    async list() {
      const settings = current();
      return pool.use(settings.temporal, (temporal) => listRunning(temporal, settings.workspaceId, settings.taskQueue));
    },
  };
}

let shared: Approvals | undefined;

/** `createApprovals().request` on one shared connection: the whole agent API in one call. */
export function requestApproval(action: string, reason: string, options?: RequestOptions): Promise<ApprovalResult> {
  shared ??= createApprovals();
  return shared.request(action, reason, options);
}

function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) return nothing;
  if (signal.aborted) act();
  else signal.addEventListener("abort", act, { once: true });
  return () => signal.removeEventListener("abort", act);
}

function warnOnceWithoutWorker(warn: Warn): Warn {
  let warned = false;
  return (warning) => {
    if (warning.code === "COUNTERSIGN_NO_WORKER") {
      if (warned) return;
      warned = true;
    }
    warn(warning);
  };
}

function nothing(): void {}
