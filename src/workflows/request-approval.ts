/**
 * One request for approval, from the question to the one answer that reaches the agent.
 * It checks, creates, waits, confirms, records, returns; every decision that it takes is a pure function of src/domain.
 */
import {
  CancellationScope,
  setDefaultSignalHandler,
  setHandler,
  upsertMemo,
  uuid4,
  workflowInfo,
} from "@temporalio/workflow";
import { requestedRecord } from "../domain/audit-record.ts";
import { messageOf } from "../domain/errors.ts";
import { emptyHintBox, hear } from "../domain/hints.ts";
import { APPROVAL_MEMO, approvalWorkflowId, taskId } from "../domain/names.ts";
import type { ApprovalResult } from "../domain/outcome.ts";
import type { Settings } from "../domain/ports.ts";
import { problemsOf, problemText, type ApprovalRequest } from "../domain/request.ts";
import { awaitEnding, withdrawAll, withdrawTwins } from "./await-ending.ts";
import type { Ending } from "./ending.ts";
import { enter, stateOf, textOf, type Carried, type Lifecycle } from "./lifecycle.ts";
import { finish } from "./finish.ts";
import { approvalStateQuery, decidedSignal } from "./messages.ts";
import { baseOf, recordRequired } from "./record.ts";
import { checkPermission, createApproval } from "./steps.ts";
import { requireReadable } from "./unreadable.ts";

/** The settings until a worker has told its own; they only matter to requests that end before that. */
const UNSETTLED: Settings = {
  timeout_seconds: 300,
  poll_interval_seconds: 5,
  use_websocket: true,
  audit_required: true,
};

/**
 * Asks for approval and returns the one answer. Never throws for an end of the approval, a bad input included;
 * a cancellation of the workflow withdraws the request and returns `cancelled`.
 */
export async function requestApproval(request: ApprovalRequest, carried?: Carried): Promise<ApprovalResult> {
  requireReadable(request, carried);
  const info = workflowInfo();
  let cancelled = false;
  const life: Lifecycle = {
    request,
    action: textOf(request?.action),
    workspace_id: textOf(request?.workspace_id),
    workflow_id: info.workflowId,
    task_id: taskId(info.workflowId, info.firstExecutionRunId),
    trace_id: carried?.trace_id ?? uuid4(),
    hints: carried === undefined ? emptyHintBox() : { ...carried.hints },
    noted: new Set(carried?.noted ?? []),
    cancelled: () => cancelled,
    settings: carried?.settings ?? UNSETTLED,
    timeout_seconds: request?.timeout_seconds ?? carried?.settings.timeout_seconds ?? UNSETTLED.timeout_seconds,
    step: "checking",
    readings: carried?.readings ?? 0,
  };
  setHandler(decidedSignal, (...payloads) => payloads.forEach((payload) => hear(life.hints, payload)));
  // Without it, signals of unknown names pile up in memory for a handler that never comes.
  setDefaultSignalHandler((_name, ...payloads) => {
    life.hints.ignored += payloads.length;
  });
  setHandler(approvalStateQuery, () => stateOf(life));
  CancellationScope.current().cancelRequested.catch(() => {
    cancelled = true;
  });
  // A cancellation is a fact to look at between two steps; it must not cut one in half.
  return await CancellationScope.nonCancellable(async () => {
    const ending =
      carried === undefined ? await begin(life) : await awaitEnding(life, carried.approval_id, carried.deadline_ms);
    return await finish(life, ending);
  });
}

async function begin(life: Lifecycle): Promise<Ending> {
  const misuse = misuseOf(life);
  if (misuse !== undefined) {
    return { kind: "failed", error: `Failed to request approval: ${misuse}` };
  }
  enter(life, "checking");
  try {
    const permission = await checkPermission(life.request.workspace_id);
    if (permission.kind === "failed") return { kind: "failed", error: permission.error };
    life.settings = permission.settings;
    life.timeout_seconds = life.request.timeout_seconds ?? permission.settings.timeout_seconds;
    if (permission.kind === "forbidden") {
      return { kind: "forbidden", error: permission.error, roles: permission.roles };
    }
  } catch (error) {
    return { kind: "failed", error: `Failed to request approval: ${messageOf(error)}` };
  }
  if (life.cancelled()) return { kind: "cancelled" };
  return await create(life);
}

function misuseOf(life: Lifecycle): string | undefined {
  const problems = problemsOf(life.request);
  if (problems.length > 0) return problemText(problems);
  const expected = approvalWorkflowId(life.request.workspace_id, life.request.request_id);
  return expected === life.workflow_id ? undefined : `the workflow id must be ${expected}, it is ${life.workflow_id}`;
}

async function create(life: Lifecycle): Promise<Ending> {
  enter(life, "creating");
  const { action, reason, context, workspace_id } = life.request;
  const created = await createApproval({
    workspace_id,
    action,
    reason,
    ...(context === undefined || context === null ? {} : { context }),
    task_id: life.task_id,
    trace_id: life.trace_id,
    workflow_id: life.workflow_id,
    timeout_seconds: life.timeout_seconds,
    poll_interval_seconds: life.settings.poll_interval_seconds,
    use_websocket: life.settings.use_websocket,
    audit_required: life.settings.audit_required,
    time_ms: Date.now(),
  }).catch((error: unknown) => ({
    kind: "failed" as const,
    error: `Failed to request approval: ${messageOf(error)}`,
  }));
  if (created.kind === "failed") {
    // An answer that got lost may still have left something on the platform.
    await withdrawAll(life, life.cancelled() ? "countersign:cancelled" : "countersign:failed");
    return life.cancelled() ? { kind: "cancelled" } : created;
  }

  const approvalId = created.approval_id;
  life.approval_id = approvalId;
  upsertMemo({ [APPROVAL_MEMO]: approvalId });
  if (!created.recorded) {
    try {
      await recordRequired(life, requestedRecord(baseOf(life), approvalId, reason, life.timeout_seconds));
    } catch (error) {
      const withdrawn = await withdrawAll(life, "countersign:failed");
      const text = `The request could not be recorded and was ${withdrawn ? "" : "not "}withdrawn: ${messageOf(error)}`;
      return { kind: "failed", error: text, reason: "audit_failed" };
    }
  }
  await withdrawTwins(life, created.duplicates, approvalId);
  return await awaitEnding(life, approvalId, Date.now() + life.timeout_seconds * 1_000 - created.elapsed_ms);
}
