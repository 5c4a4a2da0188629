/** Rows 47 and 50 to 53: old histories, poison, a reset, broken configuration, and a flood of signals. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "@temporalio/worker";
import { DECIDED_SIGNAL } from "../../src/domain/names.ts";
import { eventsOf } from "../../test/support/history.ts";
import { until } from "../../test/support/until.ts";
import type { Asked, Field, Stage } from "../field.ts";
import type { Figures, Row } from "../row.ts";
import { takeCores } from "../taken-cores.ts";

const BUNDLE = fileURLToPath(new URL("../../workflow-bundle.js", import.meta.url));
const HISTORIES = fileURLToPath(new URL("../../../test/histories/", import.meta.url));

async function poison({ stack }: Stage, { handle }: Asked, signalName: string, encoding: string, text: string) {
  await stack.temporal.workflowService.signalWorkflowExecution({
    namespace: "default",
    workflowExecution: { workflowId: handle.workflowId },
    signalName,
    input: { payloads: [{ metadata: { encoding: Buffer.from(encoding) }, data: Buffer.from(text) }] },
  });
}

async function flooded(field: Field, signals: number): Promise<Figures> {
  const stage = await field.stage({ worker: true, bridge: true });
  const asked = await stage.askAndWait("listen to one voice", { timeoutSeconds: 120 });
  const { temporal, platform } = stage.stack;
  const { runId } = await temporal.workflow.getHandle(asked.handle.workflowId).describe();
  const handle = temporal.workflow.getHandle(asked.handle.workflowId);
  let next = 0;
  let refused = 0;
  const from = performance.now();
  const another = stage.ask("be answered beside it").then((one) => stage.grants(one));
  const lane = async () => {
    for (let n = next++; n < signals; n = next++) {
      const hint = { approval_id: asked.approval.id, status: "approved", decided_by: `eve ${n}`, source: "manual" };
      await handle.signal(DECIDED_SIGNAL, hint).catch(() => refused++);
    }
  };
  await Promise.all([another, ...Array.from({ length: 20 }, lane)]);
  const seconds = (performance.now() - from) / 1_000;
  const readings = platform.count("GET", "?ids=");
  assert.ok(readings <= seconds + 3, `${readings} readings in ${seconds} s`);
  stage.decide(asked, "denied", { by: "bob" });
  const decided = performance.now();
  await stage.ends(asked, "denied");
  const ended_after_ms = Math.round(performance.now() - decided);
  const ended = await handle.describe();
  return { signals, refused, readings, continued: ended.runId === runId ? "no" : "yes", ended_after_ms };
}

const CONFIGS: readonly [string, string, "approved" | "forbidden"][] = [
  ["missing", "", "approved"],
  ["of unknown keys", "colour: red\nhitl: {default_timeout: abc}\n", "approved"],
  ["with the role operator", "rbac: {roles: [operator]}\n", "approved"],
  [
    "of a bomb",
    `a: &a [x]\nb: &b [${"*a,".repeat(9)}]\nc: &c [${"*b,".repeat(9)}]\nd: &d [${"*c,".repeat(9)}]\ne: [${"*d,".repeat(9)}]\nrbac: {roles: [admin]}\n`,
    "forbidden",
  ],
  ["of 300 KiB", `rbac: {roles: [admin]}\n# ${"x".repeat(300_000)}\n`, "forbidden"],
  ["of roles that are a text", "rbac: {roles: admin}\n", "forbidden"],
  ["of rbac that is a list", "rbac: [admin]\n", "forbidden"],
  ["of rbac that is null", "rbac: null\n", "forbidden"],
  ["of no roles", "rbac: {roles: []}\n", "forbidden"],
  ["of duplicate keys", "rbac: {roles: [admin]}\nrbac: {roles: [read-only]}\n", "forbidden"],
  ["of bytes that are no UTF-8", "rbac: {roles: [admin]} # \u{fffd}", "forbidden"],
  ["that breaks off", "rbac: [admin", "forbidden"],
];

export const SIGNALS: readonly Row[] = [
  {
    row: 47,
    name: "the recorded histories replay on today's code",
    async run() {
      const files = readdirSync(HISTORIES).filter((file) => file.endsWith(".json"));
      for (const file of files) {
        const history = JSON.parse(readFileSync(join(HISTORIES, file), "utf8")) as {
          events: { workflowExecutionStartedEventAttributes: { workflowId: string } }[];
        };
        const workflowId = history.events[0]?.workflowExecutionStartedEventAttributes.workflowId ?? "";
        const replays = Worker.runReplayHistories({ workflowBundle: { codePath: BUNDLE } }, [{ workflowId, history }]);
        for await (const { error } of replays) assert.equal(error, undefined, `${file}: ${error?.message}`);
      }
      return { histories: files.length };
    },
  },
  {
    row: 50,
    name: "signals of the wrong type, of 1.9 MB, undecodable, and of unknown names",
    async run(field) {
      const stage = await field.stage({ worker: true, bridge: true });
      const asked = await stage.askAndWait("poisoned");
      await poison(stage, asked, DECIDED_SIGNAL, "json/plain", "{not json");
      await poison(stage, asked, DECIDED_SIGNAL, "json/plain", "7");
      await poison(stage, asked, DECIDED_SIGNAL, "text/unknown", "?");
      await poison(stage, asked, DECIDED_SIGNAL, "json/plain", JSON.stringify("x".repeat(1_900_000)));
      await poison(stage, asked, "no-such-signal", "json/plain", "1");
      await stage.grants(asked);
    },
  },
  ...["first", "second"].map((which): Row => ({
    row: 51,
    name: `a workflow that is reset to its beginning while it waits, and the ${which} of its two approvals is decided`,
    async run(field) {
      const stage = await field.stage({ worker: true, bridge: true });
      const { temporal, platform, workspaceId } = stage.stack;
      const asked = await stage.askAndWait("start again");
      const { workflowId } = asked.handle;
      const { runId } = await temporal.workflow.getHandle(workflowId).describe();
      const first = (await eventsOf(temporal, workflowId)).find(
        (event) => event.workflowTaskCompletedEventAttributes != null,
      );
      assert.ok(first?.eventId);
      await temporal.workflowService.resetWorkflowExecution({
        namespace: "default",
        workflowExecution: { workflowId, runId },
        reason: "chaos",
        workflowTaskFinishEventId: first.eventId,
        requestId: `reset-${runId}`,
      });
      await until("the new run waits", async () =>
        (await eventsOf(temporal, workflowId)).some((event) => event.timerStartedEventAttributes != null),
      );
      // Both carry the same task id: whichever a person decides, that is the decision, and the other is withdrawn.
      const standing = platform.approvals(workspaceId);
      assert.ok(stage.decide(standing.at(which === "first" ? 0 : -1)?.id ?? ""));
      const result: unknown = await temporal.workflow.getHandle(workflowId).result();
      assert.equal((result as { readonly status?: string }).status, "approved");
      const open = platform.approvals(workspaceId).filter((one) => one.status === "pending");
      assert.deepEqual(open, []);
      return { approvals: standing.length };
    },
  })),
  {
    row: 52,
    name: "configurations that are missing, broken or hostile",
    async run(field) {
      const stage = await field.stage({ worker: true, bridge: true });
      const folder = stage.stack.config.configFolder;
      const file = join(folder, "config.yaml");
      for (const [what, text, status] of CONFIGS) {
        await rm(file, { force: true });
        const bytes = Buffer.from(text.replace("\u{fffd}", "\u{80}"), what.includes("UTF-8") ? "latin1" : "utf8");
        if (text !== "") await writeFile(file, bytes);
        const started = await stage.start(what);
        if (status === "forbidden") await stage.ends(started, "forbidden");
        else
          await stage.grants({
            ...started,
            approval: await stage.stack.platform.nextApproval(stage.stack.workspaceId),
          });
      }
      await rm(file, { force: true });
      await mkdir(file);
      await stage.ends(await stage.start("a folder"), "forbidden");
      return { configurations: CONFIGS.length + 1 };
    },
  },
  { row: 53, name: "2,000 signals to one workflow", limitMs: 120_000, run: (field) => flooded(field, 2_000) },
  {
    row: 53,
    name: "10,000 signals to one workflow",
    longOnly: true,
    limitMs: 300_000,
    alone: true,
    run: (field) => flooded(field, 10_000),
  },
  {
    row: 53,
    name: "10,000 signals to one workflow, on cores that others have taken",
    longOnly: true,
    limitMs: 300_000,
    alone: true,
    async run(field) {
      takeCores(field, 3);
      return await flooded(field, 10_000);
    },
  },
];
