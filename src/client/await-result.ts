/** Waiting for the end of a run, through outages of Temporal and for as long as it lives. */
import { setMaxListeners } from "node:events";
import { isGrpcDeadlineError, TerminatedFailure, WorkflowFailedError } from "@temporalio/client";
import type { ApprovalResult } from "../domain/outcome.ts";
import { messageOf } from "../domain/errors.ts";
import { redact } from "../domain/redact.ts";
import { persist } from "./persist.ts";
import { describeRun, firstRunIdOf } from "./run.ts";
import type { RunRef } from "./run.ts";
import { decodeResult, failedResult, resultOfFailure } from "./stored-result.ts";
import { isWorkflowNotFound, temporalCause } from "./temporal-faults.ts";
import type { Temporal } from "./temporal-pool.ts";

/** One long poll, after which the next begins: a connection that died unnoticed must not be waited on for ever. */
const LISTEN_MS = 60_000;

export interface Waiting {
  readonly secrets: readonly string[];
  /** Stops the listening, not the request; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
  /** Hears of the first failure of each outage. */
  readonly onOutage?: (cause: string) => void;
}

/** The result of the run. Never throws but the reason of `signal`. */
export async function awaitResult(temporal: Temporal, run: RunRef, waiting: Waiting): Promise<ApprovalResult> {
  const { signal, secrets } = waiting;
  let runId = run.firstRunId;
  let toldOfOutage = false;
  const onOutage = (error: unknown) => {
    if (!toldOfOutage) waiting.onOutage?.(temporalCause(error));
    toldOfOutage = true;
  };
  for (;;) {
    try {
      const value = await persist(() => listen(temporal, run.workflowId, runId, signal), { signal, onOutage });
      toldOfOutage = false;
      if (value !== undefined) return decodeResult(value.result, run.workflowId);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof WorkflowFailedError) {
        const reset = error.cause instanceof TerminatedFailure ? await runAfterReset(temporal, run, signal) : undefined;
        if (reset === undefined || reset === runId) return resultOfFailure(error, run.workflowId, secrets);
        runId = reset;
        continue;
      }
      const later =
        isWorkflowNotFound(error) && runId !== undefined ? await laterRun(temporal, run, signal) : undefined;
      if (later === undefined || later === runId) {
        return failedResult(run.workflowId, redact(`no result of ${run.workflowId} (${messageOf(error)})`, secrets));
      }
      runId = later;
    }
  }
}

/** `undefined` where the poll ended without news. */
async function listen(
  temporal: Temporal,
  workflowId: string,
  runId: string | undefined,
  signal: AbortSignal | undefined,
): Promise<{ readonly result: unknown } | undefined> {
  const began = Date.now();
  // The SDK adds a listener per RPC and never takes it away, so the caller's signal is not handed on.
  const stop = new AbortController();
  // A server may end its long polls so early that one listening takes more RPCs than Node's limit of listeners.
  setMaxListeners(0, stop.signal);
  const abort = () => stop.abort();
  signal?.addEventListener("abort", abort);
  try {
    const result: unknown = await temporal.call(
      (client) =>
        client.withAbortSignal(
          stop.signal,
          () => client.workflow.getHandle(workflowId, runId).result() as Promise<unknown>,
        ),
      LISTEN_MS,
    );
    return { result };
  } catch (error) {
    if (isGrpcDeadlineError(error) && Date.now() - began >= LISTEN_MS) return undefined;
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** Whoever resets a workflow terminates its run and starts another one, which goes on in its place and has its own end. */
async function runAfterReset(
  temporal: Temporal,
  run: RunRef,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    const description = await persist(() => describeRun(temporal, run.workflowId), { signal });
    const isSame = run.firstRunId === undefined || firstRunIdOf(description) === run.firstRunId;
    return isSame && description.status.name !== "TERMINATED" ? description.runId : undefined;
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}

/** The first run of a long wait may have passed retention while a later run of the chain goes on. */
async function laterRun(temporal: Temporal, run: RunRef, signal: AbortSignal | undefined): Promise<string | undefined> {
  try {
    const description = await persist(() => describeRun(temporal, run.workflowId), { signal });
    return firstRunIdOf(description) === run.firstRunId ? description.runId : undefined;
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}
