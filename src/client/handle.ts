/** A started approval: listen to it, look at it, withdraw it. */
import type { WorkspaceConfig } from "../config.ts";
import { ApprovalError } from "../domain/errors.ts";
import { STATE_QUERY } from "../domain/names.ts";
import type { ApprovalResult } from "../domain/outcome.ts";
import type { ApprovalState } from "../domain/state.ts";
import { awaitResult } from "./await-result.ts";
import { hasWorker } from "./has-worker.ts";
import { persist } from "./persist.ts";
import type { RunRef } from "./run.ts";
import { isWorkflowNotFound, temporalError } from "./temporal-faults.ts";
import type { Temporal, TemporalPool } from "./temporal-pool.ts";
import { outageWarning, warnWithoutWorker } from "./warnings.ts";
import type { Warn } from "./warnings.ts";

export interface ApprovalHandle {
  readonly workflowId: string;
  readonly requestId: string;
  /** Waits for the end. `signal` only stops the listening and throws its reason; the request goes on. */
  result(options?: { readonly signal?: AbortSignal | undefined }): Promise<ApprovalResult>;
  /**
   * Where the request stands; needs a worker. Throws ApprovalError ERR_TEMPORAL_UNREACHABLE, ERR_TEMPORAL_REFUSED
   * (also where no worker polls the queue), or ERR_NOT_FOUND.
   */
  state(): Promise<ApprovalState>;
  /** Takes the request back and waits for the end: `cancelled`, or the decision that came first. */
  withdraw(): Promise<ApprovalResult>;
}

export interface HandleDeps {
  readonly pool: TemporalPool;
  readonly config: Pick<WorkspaceConfig, "temporal" | "taskQueue" | "secrets">;
  readonly warn: Warn;
  readonly noWorkerAfterMs: number;
}

export function createHandle(deps: HandleDeps, run: RunRef, requestId: string): ApprovalHandle {
  const { pool, config } = deps;
  const { workflowId } = run;
  const listen = async (temporal: Temporal, signal?: AbortSignal): Promise<ApprovalResult> => {
    const callOff = warnWithoutWorker(temporal, config.taskQueue, deps.noWorkerAfterMs, deps.warn);
    try {
      return await awaitResult(temporal, run, {
        secrets: config.secrets,
        signal,
        onOutage: (cause) => deps.warn(outageWarning(temporal.address, workflowId, cause)),
      });
    } finally {
      callOff();
    }
  };
  return {
    workflowId,
    requestId,
    result: async ({ signal } = {}) => {
      signal?.throwIfAborted();
      return pool.use(config.temporal, (temporal) => listen(temporal, signal));
    },
    state: () => pool.use(config.temporal, (temporal) => queryState(temporal, workflowId, config.taskQueue)),
    withdraw: () =>
      pool.use(config.temporal, async (temporal) => {
        await cancelRun(temporal, run);
        return listen(temporal);
      }),
  };
}

/** Asks for the withdrawal, through outages; a closed run has nothing to withdraw. Throws only the reason of `signal`. */
export async function cancelRun(
  temporal: Temporal,
  { workflowId, firstRunId }: RunRef,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await persist(
      () =>
        temporal.call((client) =>
          client.workflow
            .getHandle(workflowId, undefined, firstRunId === undefined ? {} : { firstExecutionRunId: firstRunId })
            .cancel(),
        ),
      { signal },
    );
  } catch {
    signal?.throwIfAborted();
    // Closed, or refused for good: what the waiting finds is the answer either way.
  }
}

async function queryState(temporal: Temporal, workflowId: string, taskQueue: string): Promise<ApprovalState> {
  try {
    // A query without a worker would only run into its deadline.
    if (!(await hasWorker(temporal, taskQueue))) {
      throw new ApprovalError(
        "ERR_TEMPORAL_REFUSED",
        `Query of ${workflowId}: no worker polls the task queue ${taskQueue} to answer it; start one with: countersign worker`,
      );
    }
    return await temporal.call((client) => client.workflow.getHandle(workflowId).query<ApprovalState>(STATE_QUERY));
  } catch (error) {
    if (isWorkflowNotFound(error)) {
      throw new ApprovalError(
        "ERR_NOT_FOUND",
        `Query of ${workflowId}: Temporal at ${temporal.address} knows no such workflow`,
        {
          cause: error,
        },
      );
    }
    throw temporalError(`Query of ${workflowId}`, temporal.address, error);
  }
}

/** The handle of a request that could not be started: it has ended already. */
export function endedHandle(workflowId: string, requestId: string, result: ApprovalResult): ApprovalHandle {
  return {
    workflowId,
    requestId,
    result: async ({ signal } = {}) => {
      signal?.throwIfAborted();
      return result;
    },
    state: () =>
      Promise.reject(
        new ApprovalError("ERR_NOT_FOUND", `Query of ${workflowId}: the request was not started; see its result`),
      ),
    withdraw: () => Promise.resolve(result),
  };
}
