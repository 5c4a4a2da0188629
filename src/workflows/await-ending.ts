/** The wait of one approval, performed with Temporal; what to do next is decided by src/domain/wait.ts. */
import { condition, makeContinueAsNewFunc, sleep, workflowInfo } from "@temporalio/workflow";
import type { Withdrawer } from "../domain/names.ts";
import type { Reading, Withdrawal } from "../domain/ports.ts";
import type { Facts, Happened, Move } from "../domain/wait-moves.ts";
import { CLOSING_MS, newWait, next, TWINS_MS } from "../domain/wait.ts";
import type { Ending } from "./ending.ts";
import { enter, type ApprovalWorkflow, type Carried, type Lifecycle } from "./lifecycle.ts";
import { note } from "./record.ts";
import { platformStep, within } from "./steps.ts";

const READ_MS = 12_000;

/** An approval that waits: its id and its deadline are known. */
interface Waiting extends Lifecycle {
  approval_id: string;
  deadline_ms: number;
}

/** Waits for the decision, the deadline or a cancellation. The timer starts once; hints never move it. */
export async function awaitEnding(begun: Lifecycle, approvalId: string, deadlineMs: number): Promise<Ending> {
  const life: Waiting = Object.assign(begun, { approval_id: approvalId, deadline_ms: deadlineMs });
  const terms = {
    approval_id: approvalId,
    timeout_ms: life.timeout_seconds * 1_000,
    poll_interval_ms: life.settings.poll_interval_seconds * 1_000,
    deadline_ms: deadlineMs,
  };
  let passedAt: number | undefined;
  const rest = deadlineMs - Date.now();
  if (rest <= 0) passedAt = Date.now();
  else {
    void sleep(rest, { summary: "deadline" }).then(() => {
      passedAt = Date.now();
    });
  }
  const over = () => passedAt !== undefined || life.cancelled();
  const facts = (): Facts => ({
    now_ms: Date.now(),
    passed_at_ms: passedAt,
    cancelled: life.cancelled(),
    hints: life.hints,
    outgrown: workflowInfo().continueAsNewSuggested,
  });

  let step = next(newWait(terms), { kind: "began" }, facts());
  while (step.move.kind !== "end") {
    const happened = await perform(life, step.move, over);
    step = next(step.wait, happened, facts());
  }
  return step.move.ending;
}

async function perform(life: Waiting, move: Exclude<Move, { kind: "end" }>, over: () => boolean): Promise<Happened> {
  switch (move.kind) {
    case "listen": {
      enter(life, "waiting");
      const news = () => life.hints.fresh || over();
      // Each timeout is a timer of Temporal's, so there is none where nothing has to be read again.
      if (move.pause_ms === undefined) await condition(() => news() || workflowInfo().continueAsNewSuggested);
      else await condition(news, move.pause_ms);
      return { kind: "listened" };
    }
    case "rest":
      await condition(over, move.ms);
      return { kind: "rested" };
    case "carry_on":
      return await carryOn(life, move.due);
    case "read": {
      life.hints.fresh = false;
      const reading = await read(life, move.budget_end_ms);
      return reading === undefined ? { kind: "unreadable" } : { kind: "read", reading };
    }
    case "withdraw_twins":
      await withdrawTwins(life, move.twins, move.kept);
      return { kind: "twins_withdrawn" };
    case "note":
      await note(life, move.note.kind, move.note.approval_id, move.note.seen);
      return { kind: "noted" };
    case "withdraw":
      enter(life, "withdrawing");
      return { kind: "withdrew", withdrawal: await withdraw(life, move.decided_by, move.budget_end_ms) };
  }
}

/** One attempt while waiting, which the backoff follows; when closing, as many as the budget allows. */
async function read(life: Waiting, budgetEndMs: number | undefined): Promise<Reading | undefined> {
  const attempt = async (step: ReturnType<typeof platformStep>) => {
    life.readings++;
    return await step.confirmDecision({
      workspace_id: life.request.workspace_id,
      task_id: life.task_id,
      approval_id: life.approval_id,
      hints: life.hints.kept,
    });
  };
  if (budgetEndMs === undefined) return await attempt(platformStep(READ_MS)).catch(() => undefined);
  enter(life, "confirming");
  return await within(budgetEndMs, attempt);
}

/** Withdraws everything of ours but `keep`; true where nothing of ours is pending any more. */
export async function withdrawAll(
  life: Lifecycle,
  withdrawer: Withdrawer,
  keep?: string,
  budgetMs = CLOSING_MS,
): Promise<boolean> {
  const withdrawal = await withdraw(life, withdrawer, Date.now() + budgetMs, keep);
  return withdrawal?.withdrawn ?? false;
}

/** Records and withdraws further approvals of the same request. What cannot be reached now the watch withdraws later. */
export async function withdrawTwins(life: Lifecycle, twins: readonly string[], kept: string): Promise<void> {
  if (twins.length === 0) return;
  for (const id of twins) await note(life, "create.duplicate", id, { kept });
  await withdrawAll(life, "countersign:duplicate", kept, TWINS_MS);
}

async function withdraw(
  life: Lifecycle,
  withdrawer: Withdrawer,
  budgetEndMs: number,
  keep?: string,
): Promise<Withdrawal | undefined> {
  return await within(budgetEndMs, (step) =>
    step.withdrawApproval({
      workspace_id: life.request.workspace_id,
      task_id: life.task_id,
      approval_ids: life.approval_id === undefined ? [] : [life.approval_id],
      ...(keep === undefined ? {} : { keep }),
      decided_by: withdrawer,
    }),
  );
}

/** A long history, by a flood of signals or a wait of months, must not end the request. */
async function carryOn(life: Waiting, due: boolean): Promise<never> {
  const memo = workflowInfo().memo;
  const carried: Carried = {
    trace_id: life.trace_id,
    settings: life.settings,
    approval_id: life.approval_id,
    deadline_ms: life.deadline_ms,
    hints: { ...life.hints, fresh: due },
    noted: [...life.noted],
    readings: life.readings,
  };
  const again = makeContinueAsNewFunc<ApprovalWorkflow>(memo === undefined ? {} : { memo });
  return await again(life.request, carried);
}
