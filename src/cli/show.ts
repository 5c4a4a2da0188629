/** `countersign show`: everything about one request. */
import type { Command } from "commander";
import type { WorkflowExecutionDescription } from "@temporalio/client";
import { describeRun, firstRunIdOf, inputOf } from "../client/run.ts";
import { messageOf } from "../domain/errors.ts";
import { APPROVAL_MEMO } from "../domain/names.ts";
import { modelLine } from "../domain/outcome.ts";
import type { ApprovalResult } from "../domain/outcome.ts";
import type { ListItem } from "../domain/platform-port.ts";
import { withoutSecretsJson } from "../domain/redact-json.ts";
import { withoutSecrets } from "../domain/redact.ts";
import type { Json } from "../domain/request.ts";
import type { ApprovalState } from "../domain/state.ts";
import { marked } from "../domain/visible.ts";
import { coloured } from "./colour.ts";
import type { Io } from "./io.ts";
import { printExactJson } from "./print-result.ts";
import { findItem, notFoundOr, requireWorkflowId } from "./resolve-id.ts";
import { note, requestIdOf, setUp } from "./setup.ts";
import type { Setup } from "./setup.ts";
import { knownSecrets, shown, shownJson } from "./shown.ts";

interface Picture {
  readonly workflow_id: string;
  readonly request_id: string;
  readonly run_id: string;
  /** Temporal's word for the run, in lower case: running, completed, terminated… */
  readonly execution: string;
  readonly started_at: string;
  readonly closed_at?: string;
  readonly approval_id?: string;
  /** The input as the agent gave it: whoever decides must see exactly what will be done. Only secrets of this environment are taken out. */
  readonly request?: unknown;
  /** What the workflow says about itself; absent where no worker answers. */
  readonly state?: ApprovalState;
  readonly platform?: ListItem;
  readonly result?: ApprovalResult;
}

export function register(program: Command, io: Io): void {
  program
    .command("show")
    .summary("everything about one request")
    .description(
      "Shows a request as the agent made it, where it stands, what the platform holds and how it ended.\n" +
        "ID is an approval id or a workflow id; open and closed requests are shown alike.",
    )
    .argument("<id>", "approval id or workflow id")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExamples:\n  countersign show approval:ws-1:deploy-v2\n  countersign show 6f1c2a9e-1b7d-4c55-9d0e-0a51c3c7a001 --json",
    )
    .action((id: string, flags: { readonly json?: true }) => show(io, id, flags.json === true));
}

async function show(io: Io, id: string, json: boolean): Promise<void> {
  const setup = setUp(io);
  const workflowId = await requireWorkflowId(setup, id);
  const picture = await pictureOf(setup, workflowId, workflowId === id ? undefined : id, (text) => note(io, text));
  if (!json) return print(io, picture);
  const request = withoutSecretsJson((picture.request ?? null) as Json, knownSecrets(io));
  const rest = shownJson(io, picture) as { readonly [key: string]: Json };
  printExactJson(io, picture.request === undefined ? rest : { ...rest, request });
}

async function pictureOf(
  setup: Setup,
  workflowId: string,
  givenApprovalId: string | undefined,
  tell: (text: string) => void,
): Promise<Picture> {
  const { description, request } = await setup.temporal(async (temporal) => {
    try {
      const description = await describeRun(temporal, workflowId);
      return { description, request: await inputOf(temporal, workflowId, firstRunIdOf(description)) };
    } catch (error) {
      throw notFoundOr(temporal.address, workflowId, error);
    }
  });
  const handle = setup.handle({ workflowId, firstRunId: firstRunIdOf(description) });
  const running = description.status.name === "RUNNING";
  const result = running ? undefined : await handle.result();
  const state = running ? await handle.state().catch((error: unknown) => void tell(messageOf(error))) : undefined;
  const approvalId = givenApprovalId ?? approvalIdIn(description, state, result);
  const item =
    approvalId === undefined
      ? undefined
      : await findItem(setup, approvalId).catch((error: unknown) => void tell(messageOf(error)));
  return {
    workflow_id: workflowId,
    request_id: requestIdOf(workflowId, setup.config),
    run_id: description.runId,
    execution: description.status.name.toLowerCase(),
    started_at: description.startTime.toISOString(),
    ...(description.closeTime === undefined ? {} : { closed_at: description.closeTime.toISOString() }),
    ...(approvalId === undefined ? {} : { approval_id: approvalId }),
    ...(request === undefined ? {} : { request }),
    ...(state === undefined ? {} : { state }),
    ...(item === undefined ? {} : { platform: item }),
    ...(result === undefined ? {} : { result }),
  };
}

function approvalIdIn(
  description: WorkflowExecutionDescription,
  state: ApprovalState | undefined,
  result: ApprovalResult | undefined,
): string | undefined {
  const memo = description.memo?.[APPROVAL_MEMO];
  if (typeof memo === "string") return memo;
  return state?.approval_id ?? (result !== undefined && "approval_id" in result ? result.approval_id : undefined);
}

/** What the decision is about. */
const EXACT: ReadonlySet<string> = new Set(["Action", "Reason", "Context"]);

function print(io: Io, picture: Picture): void {
  const { request, state, platform, result } = picture;
  const { action, reason, context } = (typeof request === "object" && request !== null ? request : {}) as Record<
    string,
    unknown
  >;
  const facts: readonly (readonly [string, unknown])[] = [
    ["Action", action],
    ["Reason", reason],
    ["Context", context],
    ["Workflow", picture.workflow_id],
    ["Approval", picture.approval_id],
    ["Started", picture.started_at],
    ["Closed", picture.closed_at],
    ["Step", state?.step],
    ["Deadline", state?.deadline],
    ["Platform", platform === undefined ? undefined : platformLine(platform)],
    ["Result", result === undefined ? `(${picture.execution})` : modelLine(result)],
    ["Trace", result?.trace_id || state?.trace_id],
  ];
  for (const [name, value] of facts) {
    if (value === undefined || value === null || value === "") continue;
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const line = EXACT.has(name) ? marked(withoutSecrets(text, knownSecrets(io))) : shown(io, text);
    io.out(`${coloured(name.padEnd(9), "dim", io.colour.out)} ${line}`);
  }
}

function platformLine({ status, decided_by, decided_at, comment }: ListItem): string {
  return [status, decided_by && `by ${decided_by}`, decided_at && `at ${decided_at}`, comment && `"${comment}"`]
    .filter((part) => part)
    .join(" ");
}
