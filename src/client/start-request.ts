/** Starting an approval at most once: a second start of the same request finds the first. */
import { WorkflowExecutionAlreadyStartedError } from "@temporalio/client";
import type { WorkflowExecutionDescription } from "@temporalio/client";
import { ApprovalError } from "../domain/errors.ts";
import { CONTENT_MEMO, REQUEST_APPROVAL } from "../domain/names.ts";
import { redact } from "../domain/redact.ts";
import { cut, summaryText, visible } from "../domain/text.ts";
import { contentHash } from "./content-hash.ts";
import { persist } from "./persist.ts";
import type { PreparedRequest } from "./prepare-request.ts";
import { describeRun, firstRunIdOf, inputOf } from "./run.ts";
import type { RunRef } from "./run.ts";
import { isOutage, temporalCause } from "./temporal-faults.ts";
import type { Temporal } from "./temporal-pool.ts";

// Temporal's own limit for details is 20,000 bytes; the approver reads the whole text on the platform.
const DETAILS_BYTES = 4_096;

export interface StartSettings {
  readonly taskQueue: string;
  readonly secrets: readonly string[];
  /** How long Temporal may be unreachable before the start is given up. */
  readonly patienceMs: number;
  /** Hears of the first failure of an outage that begins once the request stands. */
  readonly onOutage: (cause: string) => void;
}

/** `unstarted`: nobody was asked as far as is known, and why. */
export type Started = { readonly run: RunRef } | { readonly unstarted: string };

/**
 * Throws ApprovalError ERR_REQUEST_MISMATCH where the id belongs to another request, and ERR_CONFIG.
 * `signal` ends the trying; a start that may have got through is then looked for once.
 */
export async function startRequest(
  temporal: Temporal,
  prepared: PreparedRequest,
  settings: StartSettings,
  signal?: AbortSignal,
): Promise<Started> {
  let runId: string | undefined;
  try {
    runId = await persist(() => start(temporal, prepared, settings), { patienceMs: settings.patienceMs, signal });
  } catch (error) {
    if (error instanceof ApprovalError) throw error;
    const found = signal?.aborted ? await lookFor(temporal, prepared) : undefined;
    if (found !== undefined) return { run: found };
    return { unstarted: redact(unstartedText(temporal, prepared, settings, error), settings.secrets) };
  }
  if (runId !== undefined && !prepared.named) return { run: { workflowId: prepared.workflowId, firstRunId: runId } };
  // The request stands from here on, so an outage only delays the comparison.
  let told = false;
  const onOutage = (error: unknown) => {
    if (!told) settings.onOutage(temporalCause(error));
    told = true;
  };
  try {
    const description = await persist(() => describeRun(temporal, prepared.workflowId), { onOutage });
    if (!(await persist(() => isSameRequest(temporal, prepared, description), { onOutage }))) throw mismatch(prepared);
    return { run: { workflowId: prepared.workflowId, firstRunId: firstRunIdOf(description) } };
  } catch (error) {
    // A run whose key is not here cannot be compared, so its answer is not taken for the answer to this question.
    if (error instanceof ApprovalError && error.code === "ERR_CONFIG") return { unstarted: error.message };
    throw error;
  }
}

/** The run id, or `undefined` where a closed run holds the id. */
async function start(
  temporal: Temporal,
  prepared: PreparedRequest,
  settings: StartSettings,
): Promise<string | undefined> {
  const { request } = prepared;
  try {
    const handle = await temporal.call((client) =>
      client.workflow.start(REQUEST_APPROVAL, {
        workflowId: prepared.workflowId,
        taskQueue: settings.taskQueue,
        args: [request],
        workflowIdReusePolicy: "REJECT_DUPLICATE",
        workflowIdConflictPolicy: "USE_EXISTING",
        memo: { [CONTENT_MEMO]: prepared.contentHash },
        staticSummary: summaryText(request.action, settings.secrets),
        staticDetails: cut(visible(redact(request.reason, settings.secrets)), DETAILS_BYTES),
      }),
    );
    return handle.firstExecutionRunId;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return undefined;
    throw error;
  }
}

async function lookFor(temporal: Temporal, prepared: PreparedRequest): Promise<RunRef | undefined> {
  try {
    const description = await describeRun(temporal, prepared.workflowId);
    if (!(await isSameRequest(temporal, prepared, description))) return undefined;
    return { workflowId: prepared.workflowId, firstRunId: firstRunIdOf(description) };
  } catch {
    return undefined;
  }
}

async function isSameRequest(
  temporal: Temporal,
  prepared: PreparedRequest,
  description: WorkflowExecutionDescription,
): Promise<boolean> {
  if (description.type !== REQUEST_APPROVAL) return false;
  const hash = description.memo?.[CONTENT_MEMO];
  if (hash !== undefined) return hash === prepared.contentHash;
  const input = await inputOf(temporal, prepared.workflowId, firstRunIdOf(description));
  if (typeof input !== "object" || input === null) return false;
  const { action, reason, context } = input as Record<string, unknown>;
  if (typeof action !== "string" || typeof reason !== "string") return false;
  return contentHash({ action, reason, context }) === prepared.contentHash;
}

function mismatch({ request, workflowId }: PreparedRequest): ApprovalError {
  return new ApprovalError(
    "ERR_REQUEST_MISMATCH",
    `requestId ${request.request_id} already names another request (${workflowId}): its action, reason or context differ; use a new requestId for a new question`,
  );
}

function unstartedText(temporal: Temporal, prepared: PreparedRequest, settings: StartSettings, error: unknown): string {
  const cause = temporalCause(error);
  if (!isOutage(error)) {
    return `Temporal at ${temporal.address} refused to start the workflow (${cause}); check TEMPORAL_NAMESPACE, TEMPORAL_API_KEY and TLS`;
  }
  const seconds = settings.patienceMs / 1_000;
  return `cannot reach Temporal at ${temporal.address} for ${seconds} s (${cause}); check TEMPORAL_ADDRESS and that the server runs, then ask again with requestId ${prepared.request.request_id}`;
}
