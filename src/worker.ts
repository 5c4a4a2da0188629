/** The worker: runs the workflows and the activities of one workspace until it is told to stop. */
import { hostname } from "node:os";
import { fileURLToPath } from "node:url";
import { createActivities } from "./activities/index.ts";
import { openAuditLog, type AuditLog } from "./audit/audit-log.ts";
import type { WorkspaceConfig } from "./config.ts";
import { messageOf } from "./domain/errors.ts";
import { createHealth, type Health } from "./health.ts";
import { pause } from "./activities/pause.ts";
import { keepServing } from "./process/keep-serving.ts";
import type { ProcessOptions } from "./process/options.ts";

/** Made by `npm run build` beside the compiled sources. */
const BUNDLE = fileURLToPath(new URL("../workflow-bundle.js", import.meta.url));
/** How long a task waits for the worker that knows its workflow: what a killed one leaves behind, another worker takes up after this. */
const STICKY = "2s";
/**
 * How long workflow code may run at a stretch; the SDK takes this, though its types do not tell. It runs for milliseconds, but Node
 * may die where the SDK cuts it off after its 5 s, so a slow machine or a frozen process must not come near.
 */
const CUT_OFF = "1 minute";
const WAKE_ROUND_MS = 5 * 60_000;

export interface WorkerOptions extends ProcessOptions {
  /** So many workflows are kept in memory; the others are replayed when something happens to them. Default 500. */
  readonly maxCachedWorkflows?: number;
}

/**
 * Runs until `signal` fires. Waits, with backoff, while Temporal is down.
 * Throws ERR_AUDIT where records are required and cannot be written, ERR_CONFIG where Temporal's settings cannot work.
 */
export async function runWorker(config: WorkspaceConfig, options: WorkerOptions): Promise<void> {
  const { log } = options;
  const health = createHealth(log, config.secrets);
  const audit = openAuditLog({
    path: config.audit.path,
    required: config.audit.required,
    secrets: config.secrets,
    onCheckpointProblem: (problem) => health.set("audit checkpoints", problem),
  });
  try {
    await audit.repair();
  } catch (error) {
    if (config.audit.required) throw error;
    health.set("audit", messageOf(error));
  }
  try {
    await run(config, options, health, audit);
  } finally {
    await audit.close();
  }
}

async function run(
  config: WorkspaceConfig,
  { signal, log, onReady, maxCachedWorkflows = 500 }: WorkerOptions,
  health: Health,
  audit: AuditLog,
): Promise<void> {
  const identity = `${process.pid}@${hostname()}`;
  await keepServing({ config, health, log, signal }, ({ client }) => {
    const { activities, waker } = createActivities({ config, audit, client, health, identity, log });
    return {
      options: {
        taskQueue: config.taskQueue,
        workflowBundle: { codePath: BUNDLE },
        activities,
        maxCachedWorkflows,
        stickyQueueScheduleToStartTimeout: STICKY,
        isolateExecutionTimeout: CUT_OFF,
        identity,
      },
      renewed: true,
      async beside(ended) {
        onReady?.();
        for (let first = true; !ended.aborted; first = false) {
          await waker.round(config.workspaceId, first);
          await pause(WAKE_ROUND_MS * (0.8 + Math.random() * 0.4), ended);
        }
      },
    };
  });
}
