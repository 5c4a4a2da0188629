/** `countersign withdraw`: takes a request back. */
import type { Command } from "commander";
import { cancelRun } from "../client/handle.ts";
import { describeRun } from "../client/run.ts";
import { EXIT, exitCodeOfResult } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { printResult } from "./print-result.ts";
import { notFoundOr, requireWorkflowId } from "./resolve-id.ts";
import { setUp } from "./setup.ts";

export function register(program: Command, io: Io): void {
  program
    .command("withdraw")
    .summary("take a request back")
    .description(
      "Takes a request back: it ends as cancelled, and nobody can approve it any more. Prints the request's result.\n" +
        "ID is an approval id or a workflow id. Exit code: 0 withdrawn, 1 a decision came first, 3 failure.",
    )
    .argument("<id>", "approval id or workflow id")
    .option("--json", "print the result as one JSON object")
    .addHelpText(
      "after",
      `
Examples:
  countersign withdraw approval:ws-1:deploy-v2
  countersign withdraw 6f1c2a9e-1b7d-4c55-9d0e-0a51c3c7a001 --json`,
    )
    .action((id: string, flags: { readonly json?: true }) => withdraw(io, id, flags.json === true));
}

async function withdraw(io: Io, id: string, json: boolean): Promise<void> {
  const setup = setUp(io);
  const workflowId = await requireWorkflowId(setup, id);
  const interrupted = new AbortController();
  const { signal } = interrupted;
  const callOff = io.onInterrupt(() => interrupted.abort());
  try {
    await setup.temporal(async (temporal) => {
      try {
        await describeRun(temporal, workflowId);
      } catch (error) {
        throw notFoundOr(temporal.address, workflowId, error);
      }
      await cancelRun(temporal, { workflowId }, signal);
    });
    const result = await setup.handle({ workflowId }).result({ signal });
    printResult(io, result, json);
    // Here the withdrawal is what was asked for, so an approval that came first is not a success.
    io.exitCode =
      result.status === "cancelled"
        ? EXIT.ok
        : result.status === "failed"
          ? exitCodeOfResult(result)
          : EXIT.notApproved;
  } catch (error) {
    if (!signal.aborted) throw error;
    io.exitCode = EXIT.interrupted;
  } finally {
    callOff();
  }
}
