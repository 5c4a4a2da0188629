/** `countersign approve` and `countersign deny`: a person's decision, with the reviewer's token. */
import { userInfo } from "node:os";
import type { Command } from "commander";
import { ApprovalError } from "../domain/errors.ts";
import { AUTO_EXPIRED, isOwnDecider } from "../domain/names.ts";
import type { ListItem } from "../domain/platform-port.ts";
import { coloured } from "./colour.ts";
import { EXIT } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { printJson } from "./print-result.ts";
import { approvalIdOf, findItem, isWorkflowId } from "./resolve-id.ts";
import { requireReviewer, setUp } from "./setup.ts";
import { shown } from "./shown.ts";

interface DecideFlags {
  readonly as?: string;
  readonly comment?: string;
  readonly json?: true;
}

type Decision = "approved" | "denied";

export function register(program: Command, io: Io): void {
  for (const [name, decision] of [
    ["approve", "approved"],
    ["deny", "denied"],
  ] as const) {
    program
      .command(name)
      .summary(`${name} a request, as a reviewer`)
      .description(
        `Decides a pending request as ${decision}, with REVIEWER_TOKEN or REVIEWER_TOKEN_FILE; never with the agent's token.\n` +
          "ID is an approval id or a workflow id. Exit code: 0 where that decision stands, 1 where another one does.",
      )
      .argument("<id>", "approval id or workflow id")
      .option("--as <name>", "your name, where the platform does not know it from the token (default: your login name)")
      .option("--comment <text>", "a word to the agent, on platforms that carry one")
      .option("--json", "print the outcome as one JSON object")
      .addHelpText(
        "after",
        `
Examples:
  countersign ${name} 6f1c2a9e-1b7d-4c55-9d0e-0a51c3c7a001
  countersign ${name} approval:ws-1:deploy-v2 --comment "see ticket 12"`,
      )
      .action((id: string, flags: DecideFlags) => decide(io, id, decision, flags));
  }
}

async function decide(io: Io, id: string, decision: Decision, flags: DecideFlags): Promise<void> {
  const setup = setUp(io);
  requireReviewer(setup.config);
  const { workspaceId } = setup.config;
  const decidedBy = flags.as ?? loginName();
  if (decidedBy.trim() === "" || isOwnDecider(decidedBy) || decidedBy === AUTO_EXPIRED) {
    throw new ApprovalError("ERR_USAGE", `--as ${JSON.stringify(decidedBy)} is no person's name; give your own`);
  }
  const approvalId = isWorkflowId(setup, id) ? await approvalIdOf(setup, id) : id;
  const answer = await setup.platform.decide(workspaceId, approvalId, decision, decidedBy, undefined, flags.comment);
  if (answer.kind === "refused") throw new ApprovalError("ERR_PLATFORM_REFUSED", answer.error);
  if (answer.kind === "decided") return report(io, approvalId, decision, decision, undefined, flags);

  const item = await findItem(setup, approvalId);
  if (item === undefined) {
    throw new ApprovalError(
      "ERR_NOT_FOUND",
      `The platform has no approval ${approvalId} in workspace ${workspaceId}; list what is pending with: countersign list`,
    );
  }
  if (item.status === "pending") {
    throw new ApprovalError(
      "ERR_PLATFORM_REFUSED",
      `The platform does not let ${approvalId} be decided here, though it is pending`,
    );
  }
  report(io, approvalId, decision, item.status, item, flags);
}

/** `stands` is what the platform now holds; `item` where somebody else was first. */
function report(
  io: Io,
  approvalId: string,
  decision: Decision,
  stands: Decision,
  item: ListItem | undefined,
  flags: DecideFlags,
): void {
  io.exitCode = stands === decision ? EXIT.ok : EXIT.notApproved;
  const decidedBy = item?.decided_by ?? "";
  if (flags.json) {
    printJson(io, {
      approval_id: approvalId,
      status: stands,
      already: item !== undefined,
      ...(decidedBy === "" ? {} : { decided_by: decidedBy }),
    });
    return;
  }
  const verb = stands === "approved" ? "Approved" : "Denied";
  const text =
    item === undefined
      ? `${verb}: ${approvalId}`
      : `Already ${stands}${decidedBy === "" ? "" : ` by ${decidedBy}`}: ${approvalId}`;
  io.out(coloured(shown(io, text), stands === decision ? "green" : "yellow", io.colour.out));
}

function loginName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user may have no name.
    return "reviewer";
  }
}
