/** What the people's commands need before they can do anything. */
import { loadConfig, requireWorkspace } from "../config.ts";
import type { WorkspaceConfig } from "../config.ts";
import { ApprovalError } from "../domain/errors.ts";
import type { Platform } from "../domain/platform-port.ts";
import { createTemporalPool } from "../client/temporal-pool.ts";
import { createHandle } from "../client/handle.ts";
import type { ApprovalHandle } from "../client/handle.ts";
import type { RunRef } from "../client/run.ts";
import type { Temporal } from "../client/temporal-pool.ts";
import { createPlatform } from "../platform/http.ts";
import { tokenFrom } from "../platform/token.ts";
import { coloured } from "./colour.ts";
import type { Io } from "./io.ts";
import { shown } from "./shown.ts";

const NO_WORKER_AFTER_MS = 5_000;

export interface Setup {
  readonly config: WorkspaceConfig;
  /** Runs `work` on a connection that is closed soon after. */
  temporal<T>(work: (temporal: Temporal) => Promise<T>): Promise<T>;
  handle(run: RunRef): ApprovalHandle;
  /** The platform as the reviewer sees it; without a reviewer's token it is asked without one, never with the agent's. */
  readonly platform: Platform;
}

/** Throws ApprovalError ERR_CONFIG. */
export function setUp(io: Io): Setup {
  const config = requireWorkspace(loadConfig(io.env));
  for (const warning of config.warnings) note(io, warning);
  const pool = createTemporalPool();
  const warn = (warning: { readonly message: string }) => note(io, warning.message);
  return {
    config,
    temporal: (work) => pool.use(config.temporal, work),
    handle: (run) =>
      createHandle(
        { pool, config, warn, noWorkerAfterMs: NO_WORKER_AFTER_MS },
        run,
        requestIdOf(run.workflowId, config),
      ),
    platform: createPlatform({
      url: config.platform.url,
      token: tokenFrom(config.reviewer),
      origin: config.platform.origin,
      orgId: config.platform.orgId,
    }),
  };
}

/** Throws ApprovalError ERR_CONFIG where nobody can decide with this environment. */
export function requireReviewer(config: WorkspaceConfig): void {
  if (tokenFrom(config.reviewer).current() !== undefined) return;
  throw new ApprovalError(
    "ERR_CONFIG",
    "To decide, set REVIEWER_TOKEN or REVIEWER_TOKEN_FILE to a reviewer's token of the platform; the agent's PLATFORM_TOKEN never decides",
  );
}

/** A remark on stderr. */
export function note(io: Io, text: string): void {
  io.err(coloured(`countersign: ${shown(io, text)}`, "yellow", io.colour.err));
}

export function requestIdOf(workflowId: string, config: WorkspaceConfig): string {
  return workflowId.slice(`approval:${config.workspaceId}:`.length);
}
