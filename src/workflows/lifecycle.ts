/** What one approval carries through its steps. */
import { setCurrentDetails } from "@temporalio/workflow";
import type { HintBox } from "../domain/hints.ts";
import type { ApprovalResult } from "../domain/outcome.ts";
import type { Settings } from "../domain/ports.ts";
import type { ApprovalRequest } from "../domain/request.ts";
import type { ApprovalState } from "../domain/state.ts";

export interface Lifecycle {
  readonly request: ApprovalRequest;
  /** Of the request; "" where a bad start gave none. */
  readonly action: string;
  readonly workspace_id: string;
  readonly workflow_id: string;
  readonly task_id: string;
  readonly trace_id: string;
  readonly hints: HintBox;
  /** Records beside the lifecycle's own that were written already. */
  readonly noted: Set<string>;
  readonly cancelled: () => boolean;
  settings: Settings;
  timeout_seconds: number;
  step: ApprovalState["step"];
  status?: ApprovalState["status"];
  approval_id?: string;
  /** Workflow time, milliseconds since the epoch. */
  deadline_ms?: number;
  readings: number;
}

/** What continue-as-new hands over; callers never give it. */
export interface Carried {
  readonly trace_id: string;
  readonly settings: Settings;
  readonly approval_id: string;
  readonly deadline_ms: number;
  readonly hints: HintBox;
  readonly noted: readonly string[];
  readonly readings: number;
}

export type ApprovalWorkflow = (request: ApprovalRequest, carried?: Carried) => Promise<ApprovalResult>;

export function stateOf(life: Lifecycle): ApprovalState {
  return {
    step: life.step,
    ...(life.status === undefined ? {} : { status: life.status }),
    ...(life.approval_id === undefined ? {} : { approval_id: life.approval_id }),
    trace_id: life.trace_id,
    ...(life.deadline_ms === undefined ? {} : { deadline: new Date(life.deadline_ms).toISOString() }),
    hints: { heard: life.hints.heard, ignored: life.hints.ignored },
    readings: life.readings,
  };
}

/** Moves to a step and tells the Temporal UI, at no event and no Action. What is asked stands in its summary, redacted by whoever knows the secrets. */
export function enter(life: Lifecycle, step: Lifecycle["step"]): void {
  life.step = step;
  const lines = [`**${life.status ?? step}**`];
  if (life.approval_id !== undefined) lines.push(`Approval: \`${life.approval_id}\``);
  if (life.deadline_ms !== undefined) lines.push(`Deadline: ${new Date(life.deadline_ms).toISOString()}`);
  if (step === "waiting") {
    lines.push(
      `Decide on the platform, or with \`countersign approve ${life.approval_id}\` or \`countersign deny ${life.approval_id}\`.`,
    );
  }
  lines.push(`Trace: \`${life.trace_id}\``);
  setCurrentDetails(lines.join("\n\n"));
}

/** A string as it is, anything else as "": for the texts of a start that was not a request. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
