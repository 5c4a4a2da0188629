/** The wait of one approval: hints, the one timer, and what happens when the time is over or the caller gives up. */
import { condition, makeContinueAsNewFunc, sleep, workflowInfo } from "@temporalio/workflow";
import { lastMoment } from "../domain/deadline.ts";
import { judge } from "../domain/decision.ts";
import type { Withdrawer } from "../domain/names.ts";
import type { Reading } from "../domain/ports.ts";
import type { Ending, Final } from "./ending.ts";
import { enter, type ApprovalWorkflow, type Carried, type Lifecycle } from "./lifecycle.ts";
import { note } from "./record.ts";
import { platformStep, within } from "./steps.ts";

/** For the last reading, the withdrawal, and the reading after it. */
const CLOSING_MS = 25_000;
const TWINS_MS = 3_000;
const READ_GAP_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/** Waits for the decision, the deadline or a cancellation. The timer starts once; hints never move it. */
export async function awaitEnding(life: Lifecycle, approvalId: string, deadlineMs: number): Promise<Ending> {
  life.approval_id = approvalId;
  life.deadline_ms = deadlineMs;
  let passedAt: number | undefined;
  const stopped = () => passedAt !== undefined || life.cancelled();
  const rest = deadlineMs - Date.now();
  if (rest <= 0) passedAt = Date.now();
  else {
    void sleep(rest).then(() => {
      passedAt = Date.now();
    });
  }

  let pauseMs: number | undefined;
  let lastReadMs = -Infinity;
  while (!stopped()) {
    enter(life, "waiting");
    const news = () => life.hints.fresh || stopped();
    if (pauseMs === undefined) await condition(() => news() || workflowInfo().continueAsNewSuggested);
    else await condition(news, pauseMs);
    const gap = lastReadMs + READ_GAP_MS - Date.now();
    if (gap > 0) await condition(stopped, gap);
    if (stopped()) break;
    if (workflowInfo().continueAsNewSuggested) await carryOn(life, approvalId, deadlineMs);

    const hinted = life.hints.fresh;
    life.hints.fresh = false;
    lastReadMs = Date.now();
    const reading = await read(life, approvalId).catch(() => undefined);
    if (reading !== undefined) {
      const verdict = await conclude(life, approvalId, reading);
      if (verdict !== undefined) return verdict;
      const hint = life.hints.kept.at(-1);
      if (hinted && hint !== undefined) {
        await note(life, "hint.unconfirmed", approvalId, { hinted: hint.status, source: hint.source });
      }
    }
    pauseMs = pauseMs === undefined || hinted ? READ_GAP_MS : Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
  const since = passedAt ?? Date.now();
  return passedAt === undefined
    ? await close(life, approvalId, since, "countersign:cancelled")
    : await close(life, approvalId, since, "countersign:timed_out");
}

/** Reads a last time; what is still pending is withdrawn, so that no one decides into the void. */
async function close(life: Lifecycle, approvalId: string, sinceMs: number, withdrawer: Withdrawer): Promise<Ending> {
  const kind = withdrawer === "countersign:timed_out" ? "timed_out" : "cancelled";
  const budgetEnd = sinceMs + CLOSING_MS;
  for (const last of [false, true]) {
    enter(life, "confirming");
    const reading = await within(budgetEnd, (step) => read(life, approvalId, step));
    if (reading === undefined) break;
    const verdict = await conclude(life, approvalId, reading);
    if (verdict !== undefined) return verdict;
    if (last) break;
    enter(life, "withdrawing");
    const withdrawal = await within(budgetEnd, (step) =>
      step.withdrawApproval({
        workspace_id: life.request.workspace_id,
        task_id: life.task_id,
        approval_ids: [approvalId],
        decided_by: withdrawer,
      }),
    );
    if (withdrawal === undefined || !withdrawal.not_pending) return { kind, withdrawn: withdrawal?.withdrawn ?? false };
  }
  return { kind, withdrawn: false };
}

/** Withdraws everything of ours but `keep`; true where nothing of ours is pending any more. */
export async function withdrawAll(
  life: Lifecycle,
  withdrawer: Withdrawer,
  keep?: string,
  budgetMs = CLOSING_MS,
): Promise<boolean> {
  const withdrawal = await within(Date.now() + budgetMs, (step) =>
    step.withdrawApproval({
      workspace_id: life.request.workspace_id,
      task_id: life.task_id,
      approval_ids: life.approval_id === undefined ? [] : [life.approval_id],
      ...(keep === undefined ? {} : { keep }),
      decided_by: withdrawer,
    }),
  );
  return withdrawal?.withdrawn ?? false;
}

/** Records and withdraws further approvals of the same request. What cannot be reached now the watch withdraws later. */
export async function withdrawTwins(life: Lifecycle, twins: readonly string[], kept: string): Promise<void> {
  if (twins.length === 0) return;
  for (const id of twins) await note(life, "create.duplicate", id, { kept });
  await withdrawAll(life, "countersign:duplicate", kept, TWINS_MS);
}

async function read(life: Lifecycle, approvalId: string, step = platformStep(12_000)): Promise<Reading> {
  life.readings++;
  return await step.confirmDecision({
    workspace_id: life.request.workspace_id,
    task_id: life.task_id,
    approval_id: approvalId,
    hints: life.hints.kept,
  });
}

/** The verdict that a reading allows, with its side records; `undefined` while nothing is decided. */
async function conclude(life: Lifecycle, approvalId: string, reading: Reading): Promise<Final | undefined> {
  const window = {
    timeout_ms: life.timeout_seconds * 1_000,
    poll_interval_ms: life.settings.poll_interval_seconds * 1_000,
    deadline_ms: life.deadline_ms as number,
    read_at_ms: Date.now(),
  };
  const { verdict, surplus } = judge(reading, approvalId, window);
  const kept = verdict.kind === "decided" ? verdict.decision.approval_id : approvalId;
  await withdrawTwins(life, surplus, kept);
  if (verdict.kind === "pending" || verdict.kind === "absent") return undefined;
  if (verdict.kind === "decided") {
    const { approval_id, status, decided_by } = verdict.decision;
    const contrary = life.hints.kept.find((hint) => hint.approval_id === approval_id && hint.status !== status);
    if (contrary !== undefined) {
      await note(life, "decision.conflict", approval_id, { hinted: contrary.status, read: status, decided_by });
    }
  }
  if (verdict.kind !== "decided") return verdict;
  const item = reading.items.find((one) => one.approval_id === verdict.decision.approval_id);
  const deadline = item === undefined ? undefined : lastMoment(item, window);
  return deadline === undefined ? verdict : { ...verdict, deadline };
}

/** A long history, by a flood of signals or a wait of months, must not end the request. */
async function carryOn(life: Lifecycle, approvalId: string, deadlineMs: number): Promise<never> {
  const memo = workflowInfo().memo;
  const carried: Carried = {
    trace_id: life.trace_id,
    settings: life.settings,
    approval_id: approvalId,
    deadline_ms: deadlineMs,
    hints: life.hints,
    noted: [...life.noted],
    readings: life.readings,
  };
  const again = makeContinueAsNewFunc<ApprovalWorkflow>(memo === undefined ? {} : { memo });
  return await again(life.request, carried);
}
