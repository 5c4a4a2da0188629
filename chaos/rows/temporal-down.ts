/** Rows 16 to 19: Temporal dies, is not there yet, or is not the one that was meant. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { createApprovals } from "../../src/client/approvals.ts";
import { loadConfig, requireWorkspace } from "../../src/config.ts";
import { ApprovalError } from "../../src/domain/errors.ts";
import { freePort } from "../../src/dev-server/free-port.ts";
import { untilWatch } from "../../test/support/history.ts";
import { until } from "../../test/support/until.ts";
import type { Field, OwnTemporal, Stage } from "../field.ts";
import type { Figures, Row } from "../row.ts";

/** Goal: 2 s. Three more are for a busy machine; the SDK's own polls would take up to 12 s. */
const LATE_MS = 5_000;

async function onOwnServer(field: Field): Promise<{ temporal: OwnTemporal; stage: Stage }> {
  const temporal = await field.temporal();
  const stage = await field.stage({ env: { TEMPORAL_ADDRESS: temporal.address } });
  stage.allow(120_000);
  return { temporal, stage };
}

async function streaming(stage: Stage): Promise<void> {
  for (const name of ["worker", "bridge"] as const) stage.process(name);
  await stage.stack.platform.untilConnected(stage.stack.workspaceId);
  await untilWatch(stage.stack.temporal, stage.stack.workspaceId, "streaming", (state) => state.mode === "stream");
}

async function decidedInOutage(field: Field, downMs: number) {
  const { temporal, stage } = await onOwnServer(field);
  await streaming(stage);
  const asked = await stage.askAndWait("rename the account", { timeoutSeconds: 120 });
  const other = await stage.askAndWait("rename another", { timeoutSeconds: 120 });
  await temporal.kill();
  stage.decide(asked);
  await delay(downMs);
  await temporal.start();
  stage.up();
  const from = performance.now();
  await stage.ends(asked, "approved");
  const after_up_ms = Math.round(performance.now() - from);
  assert.ok(after_up_ms <= LATE_MS, `the decision came ${after_up_ms} ms after Temporal was back`);
  await stage.grants(other);
  return { after_up_ms };
}

/** Requests start and are decided while the server dies again and again. */
async function underKills(field: Field, requests: number, kills: number): Promise<Figures> {
  const temporal = await field.temporal();
  const stage = await field.stage({ env: { TEMPORAL_ADDRESS: temporal.address }, platform: { listLimit: 10_000 } });
  stage.allow(120_000);
  await streaming(stage);
  let next = 0;
  const lane = async () => {
    for (let n = next++; n < requests; n = next++) {
      const started = await stage.start(`request ${n}`, { timeoutSeconds: 300 });
      const { workflowId } = started.handle;
      const own = () =>
        stage.stack.platform.approvals(stage.stack.workspaceId).find((one) => one.task_id.startsWith(`${workflowId}#`));
      const approval = await until(`the approval of request ${n}`, own, 120_000);
      await stage.grants({ ...started, approval });
    }
  };
  const asked = Promise.all(Array.from({ length: Math.min(30, requests / 2) }, lane));
  asked.catch(() => {});
  for (let kill = 1; kill <= kills; kill++) {
    // In the middle of the work, wherever that is by then.
    await until(`share ${kill} of the requests`, () => next >= (requests * kill) / (kills + 1), 120_000);
    await temporal.kill();
    await delay(1_000);
    await temporal.start();
    stage.up();
  }
  await asked;
  const { length } = stage.stack.platform.approvals(stage.stack.workspaceId);
  assert.equal(length, requests, "approvals on the platform");
  return { requests, kills, approvals: length };
}

/** A worker with a wrong setting says what is wrong, and does not end; put right it does its work. */
async function wrongSetting(field: Field, env: NodeJS.ProcessEnv, says: RegExp): Promise<void> {
  const stage = await field.stage({ bridge: true });
  const worker = stage.process("worker", env);
  await until(`the worker says ${says}; it said ${worker.stderr()}`, () => says.test(worker.stderr()));
  const started = await stage.start("rename the account");
  await worker.kill();
  stage.process("worker");
  stage.up();
  const approval = await stage.stack.platform.nextApproval(stage.stack.workspaceId);
  await stage.grants({ ...started, approval });
  const config = requireWorkspace(loadConfig({ ...stage.stack.env, ...env }));
  const lost = await createApprovals(config, { unreachableAfterMs: 500, warn: () => {} }).request("a", "b");
  assert.equal(lost.status, "failed");
}

export const TEMPORAL_DOWN: readonly Row[] = [
  {
    row: 16,
    name: "SIGKILL of Temporal, 8 s down on its database file, with a decision meanwhile",
    alone: true,
    run: (field) => decidedInOutage(field, 8_000),
  },
  {
    row: 16,
    name: "SIGKILL of Temporal, 30 s down on its database file, with a decision meanwhile",
    alone: true,
    longOnly: true,
    limitMs: 120_000,
    run: (field) => decidedInOutage(field, 30_000),
  },
  {
    row: 16,
    name: "60 requests under 2 SIGKILLs of Temporal",
    limitMs: 150_000,
    run: (field) => underKills(field, 60, 2),
  },
  {
    row: 16,
    name: "600 requests under 4 SIGKILLs of Temporal",
    alone: true,
    longOnly: true,
    limitMs: 600_000,
    run: (field) => underKills(field, 600, 4),
  },
  {
    row: 17,
    name: "Temporal down while a request starts",
    async run(field) {
      const { temporal, stage } = await onOwnServer(field);
      await streaming(stage);
      await temporal.kill();
      const starting = stage.start("start the engine");
      starting.catch(() => {});
      await delay(3_000);
      await temporal.start();
      stage.up();
      const started = await starting;
      const approval = await stage.stack.platform.nextApproval(stage.stack.workspaceId);
      await stage.grants({ ...started, approval });
    },
  },
  {
    row: 17,
    name: "Temporal down while the bridge signals",
    alone: true,
    async run(field) {
      const { temporal, stage } = await onOwnServer(field);
      stage.process("worker");
      // Its stream outlives the outage, so that no new one's list finds the decision.
      const bridge = stage.process("bridge", { COUNTERSIGN_HEARTBEAT: "120" });
      await stage.stack.platform.untilConnected(stage.stack.workspaceId);
      const asked = await stage.askAndWait("start the engine");
      await untilWatch(stage.stack.temporal, stage.stack.workspaceId, "streaming", (state) => state.mode === "stream");
      await temporal.kill();
      stage.decide(asked);
      await until("the bridge could not tell", () => bridge.stderr().includes("signalling a decision failed"));
      await temporal.start();
      stage.up();
      const from = performance.now();
      await stage.ends(asked, "approved");
      const after_up_ms = Math.round(performance.now() - from);
      assert.ok(after_up_ms <= LATE_MS, `the decision came ${after_up_ms} ms after Temporal was back`);
      return { after_up_ms };
    },
  },
  {
    row: 17,
    name: "Temporal down while a caller queries",
    async run(field) {
      const { temporal, stage } = await onOwnServer(field);
      await streaming(stage);
      const asked = await stage.askAndWait("start the engine");
      await temporal.kill();
      const failed = await asked.handle.state().then(
        () => undefined,
        (error: unknown) => error,
      );
      assert.ok(failed instanceof ApprovalError && failed.code === "ERR_TEMPORAL_UNREACHABLE", String(failed));
      await temporal.start();
      stage.up();
      await until("an answer", async () => (await asked.handle.state().catch(() => undefined))?.step === "waiting");
      await stage.grants(asked);
    },
  },
  {
    row: 18,
    name: "Temporal down when the processes start",
    async run(field) {
      const { temporal, stage } = await onOwnServer(field);
      await temporal.kill();
      for (const name of ["worker", "bridge"] as const) {
        const part = stage.process(name);
        await until("it tells of the trouble", () =>
          part.stderr().includes(`cannot reach Temporal at ${temporal.address}`),
        );
      }
      await temporal.start();
      stage.up();
      await stage.grants(await stage.ask("start the engine"));
    },
  },
  {
    row: 19,
    name: "a wrong address of Temporal",
    run: async (field) =>
      await wrongSetting(field, { TEMPORAL_ADDRESS: `127.0.0.1:${await freePort()}` }, /cannot reach Temporal/),
  },
  {
    row: 19,
    name: "a namespace that Temporal does not have",
    run: (field) => wrongSetting(field, { TEMPORAL_NAMESPACE: "no-such-namespace" }, /has no namespace/),
  },
  {
    row: 19,
    name: "TLS where Temporal speaks none",
    run: (field) => wrongSetting(field, { TEMPORAL_TLS: "true" }, /cannot reach Temporal|TLS/),
  },
];
