/** `countersign doctor`: looks at everything that an approval needs, and says what to do about what is wrong. */
import type { Command } from "commander";
import { openAuditLog } from "../audit/audit-log.ts";
import { createTemporalPool } from "../client/temporal-pool.ts";
import type { Temporal } from "../client/temporal-pool.ts";
import { loadConfig, requireWorkspace } from "../config.ts";
import type { Config, WorkspaceConfig } from "../config.ts";
import { messageOf } from "../domain/errors.ts";
import { tokenFrom } from "../platform/token.ts";
import { coloured } from "./colour.ts";
import { failed, failureOf, notChecked, ok, runCheck, warning } from "./doctor-checks.ts";
import type { Check, Examine, Finding } from "./doctor-checks.ts";
import { checkList, checkSocket } from "./doctor-platform.ts";
import { checkBridgeHealth, checkServer, checkWorkerHealth, pollersFinding, pollersOf } from "./doctor-temporal.ts";
import { EXIT } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { printJson } from "./print-result.ts";
import { shown } from "./shown.ts";

const CONFIGURATION = "configuration";
const COLOURS = { ok: "green", warning: "yellow", failed: "red" } as const;

export function register(program: Command, io: Io): void {
  program
    .command("doctor")
    .summary("check everything, and say what to do")
    .description(
      "Checks the settings, Temporal, who polls the queues, their health, the platform's list and socket, the audit log\n" +
        "and the reviewer's token, and says what to do about each failure. Run it with the settings of the worker.\n" +
        "Exit code: 0 nothing failed, 2 only the configuration, 3 anything else.",
    )
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExamples:\n  countersign doctor\n  countersign doctor --json | jq '.checks[] | select(.status != \"ok\")'",
    )
    .action((flags: { readonly json?: true }) => doctor(io, flags.json === true));
}

async function doctor(io: Io, json: boolean): Promise<void> {
  const checks = await examine(io);
  if (json) printJson(io, { checks });
  else for (const check of checks) print(io, check);
  const broken = checks.filter(({ status }) => status === "failed").map(({ name }) => name);
  if (broken.length === 0) io.exitCode = EXIT.ok;
  else io.exitCode = broken.every((name) => name === CONFIGURATION) ? EXIT.misuse : EXIT.failure;
}

async function examine(io: Io): Promise<readonly Check[]> {
  let config: Config;
  try {
    config = loadConfig(io.env);
  } catch (error) {
    const finding = failed(messageOf(error), "correct it and run doctor again: nothing else can be checked before");
    return [{ name: CONFIGURATION, ...finding }];
  }
  const workspace = workspaceOf(config);
  const needing = (work: (workspace: WorkspaceConfig, signal: AbortSignal) => Promise<Finding>): Examine => {
    return async (signal) => (workspace === undefined ? notChecked("it needs WORKSPACE_ID") : work(workspace, signal));
  };
  const [temporal, ...others] = await Promise.all([
    createTemporalPool().use(config.temporal, (temporal) => temporalChecks(temporal, needing)),
    runCheck("platform", needing(checkList)),
    runCheck("socket", needing(checkSocket)),
    runCheck("audit log", () => checkAudit(config)),
    runCheck("reviewer", () => checkReviewer(config)),
  ]);
  return [{ name: CONFIGURATION, ...settingsFinding(config) }, ...temporal, ...others];
}

async function temporalChecks(
  temporal: Temporal,
  needing: (work: (workspace: WorkspaceConfig) => Promise<Finding>) => Examine,
): Promise<readonly Check[]> {
  const server = await runCheck("temporal", () => checkServer(temporal));
  const reached = (work: (workspace: WorkspaceConfig) => Promise<Finding>): Examine =>
    server.status === "ok" ? needing(work) : () => Promise.resolve(notChecked("Temporal cannot be asked"));
  const rest = await Promise.all([
    runCheck(
      "worker",
      reached(async ({ taskQueue }) =>
        pollersFinding(await pollersOf(temporal, taskQueue, "workflow"), taskQueue, "worker"),
      ),
    ),
    runCheck(
      "worker health",
      reached(async (config) =>
        checkWorkerHealth(temporal, config, await pollersOf(temporal, config.taskQueue, "workflow")),
      ),
    ),
    runCheck(
      "bridge",
      reached(async ({ bridgeTaskQueue, useWebSocket }) => {
        if (!useWebSocket) return ok("not needed: APPROVAL_USE_WEBSOCKET is false");
        const finding = pollersFinding(
          await pollersOf(temporal, bridgeTaskQueue, "activity"),
          bridgeTaskQueue,
          "bridge",
        );
        return finding.status === "ok"
          ? finding
          : failed(finding.detail, `${finding.remedy ?? ""}, or set APPROVAL_USE_WEBSOCKET=false to poll only`);
      }),
    ),
    runCheck(
      "bridge health",
      reached(async (config) =>
        config.useWebSocket ? checkBridgeHealth(temporal, config) : ok("not needed: APPROVAL_USE_WEBSOCKET is false"),
      ),
    ),
  ]);
  return [server, ...rest];
}

function workspaceOf(config: Config): WorkspaceConfig | undefined {
  return config.workspaceId === undefined ? undefined : requireWorkspace(config);
}

function settingsFinding({ workspaceId, taskQueue, warnings }: Config): Finding {
  if (workspaceId === undefined) {
    return failed("WORKSPACE_ID is not set", "set it to this workspace's id; most checks need it");
  }
  if (warnings.length > 0) return warning(`workspace ${workspaceId}, queue ${taskQueue}`, warnings.join("; "));
  return ok(`workspace ${workspaceId}, queue ${taskQueue}`);
}

async function checkAudit({ audit, secrets }: Config): Promise<Finding> {
  try {
    await openAuditLog({ ...audit, secrets }).check();
    return ok(`${audit.path} can be written`);
  } catch (error) {
    const { detail, remedy } = failureOf(error);
    return audit.required ? failed(detail, remedy) : warning(`${detail} (AUDIT_REQUIRED is false)`, remedy);
  }
}

async function checkReviewer({ reviewer }: Config): Promise<Finding> {
  return tokenFrom(reviewer).current() === undefined
    ? ok("no token is set: approve and deny will not work from here; for that set REVIEWER_TOKEN")
    : ok("a token is set, so approve and deny can be tried from here");
}

function print(io: Io, { name, status, detail, remedy }: Check): void {
  const mark = coloured(status.padEnd(7), COLOURS[status], io.colour.out);
  io.out(`${mark}  ${name.padEnd(13)}  ${shown(io, detail)}`);
  if (remedy !== undefined) io.out(`${" ".repeat(24)}${shown(io, remedy)}`);
}
