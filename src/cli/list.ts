/** `countersign list`: what waits for a person. */
import type { Command } from "commander";
import { listRunning } from "../client/list-running.ts";
import type { RunningApproval } from "../client/list-running.ts";
import { messageOf } from "../domain/errors.ts";
import type { ListItem } from "../domain/platform-port.ts";
import { coloured } from "./colour.ts";
import type { Io } from "./io.ts";
import { printJson } from "./print-result.ts";
import { workflowOf } from "./resolve-id.ts";
import { note, requestIdOf, setUp } from "./setup.ts";
import type { Setup } from "./setup.ts";
import { shown } from "./shown.ts";
import { shortened, table } from "./table.ts";

// A long action must not push the ids out of sight, which are there to be copied.
const WIDEST_ACTION = 72;

/** One line of the list. What only one of the two sides knows is absent where that side has no part in it. */
interface Entry {
  readonly approval_id?: string;
  readonly workflow_id?: string;
  readonly request_id?: string;
  readonly summary?: string;
  /** RFC 3339: when the workflow started, else when the platform was asked. */
  readonly since?: string;
}

export function register(program: Command, io: Io): void {
  program
    .command("list")
    .summary("what waits for a decision")
    .description(
      "Lists the requests of the workspace that wait for a decision: the running workflows in Temporal,\n" +
        "joined with what is pending on the platform (which is asked with REVIEWER_TOKEN, where there is one).",
    )
    .option("--json", "print one JSON array")
    .addHelpText("after", "\nExamples:\n  countersign list\n  countersign list --json | jq -r '.[].approval_id'")
    .action((flags: { readonly json?: true }) => list(io, flags.json === true));
}

async function list(io: Io, json: boolean): Promise<void> {
  const setup = setUp(io);
  const { workspaceId, taskQueue } = setup.config;
  const [running, listing] = await Promise.allSettled([
    setup.temporal((temporal) => listRunning(temporal, workspaceId, taskQueue)),
    setup.platform.list(workspaceId),
  ]);
  if (running.status === "rejected" && listing.status === "rejected") throw running.reason;
  if (running.status === "rejected") note(io, `without the workflows: ${messageOf(running.reason)}`);
  if (listing.status === "rejected") note(io, `without the platform: ${messageOf(listing.reason)}`);
  const pending = listing.status === "fulfilled" ? listing.value.items.filter((item) => item.status === "pending") : [];
  const entries = joined(setup, running.status === "fulfilled" ? running.value : [], pending);

  if (json) return printJson(io, entries);
  if (entries.length === 0) return io.err(`Nothing waits for a decision in workspace ${workspaceId}.`);
  const rows = entries.map((entry) => [
    shown(io, entry.approval_id ?? "-"),
    ageOf(entry.since),
    shortened(shown(io, entry.summary ?? (entry.workflow_id === undefined ? "(not one of ours)" : "-")), WIDEST_ACTION),
    shown(io, entry.workflow_id ?? "-"),
  ]);
  const [head, ...body] = table([["APPROVAL", "AGE", "ACTION", "WORKFLOW"], ...rows]);
  io.out([coloured(head ?? "", "bold", io.colour.out), ...body].join("\n"));
}

function joined(setup: Setup, running: readonly RunningApproval[], pending: readonly ListItem[]): readonly Entry[] {
  const entries = new Map<string, Entry>();
  for (const { started_at, ...one } of running) entries.set(one.workflow_id, { ...one, since: started_at });
  const byApproval = new Map(running.map((one) => [one.approval_id, one.workflow_id]));
  for (const item of pending) {
    const workflowId = workflowOf(setup, item) ?? byApproval.get(item.approval_id);
    const known = workflowId === undefined ? undefined : entries.get(workflowId);
    const since = known?.since ?? item.created_at;
    entries.set(workflowId ?? item.approval_id, {
      ...known,
      approval_id: item.approval_id,
      ...(workflowId === undefined
        ? {}
        : { workflow_id: workflowId, request_id: requestIdOf(workflowId, setup.config) }),
      ...(since === undefined ? {} : { since }),
    });
  }
  return [...entries.values()].toSorted((one, other) => (one.since ?? "").localeCompare(other.since ?? ""));
}

function ageOf(since: string | undefined): string {
  const seconds = since === undefined ? Number.NaN : (Date.now() - Date.parse(since)) / 1_000;
  if (!(seconds >= 0)) return "-";
  if (seconds < 120) return `${Math.floor(seconds)}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)}h` : `${Math.floor(seconds / 86_400)}d`;
}
