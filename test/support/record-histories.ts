/**
 * Records the replay histories of test/histories from a real server: every end of an approval, and the life of a watch.
 * Run by `npm run record-histories` after a wanted change of workflow code. It overwrites files of the same name: rename
 * first those that must go on replaying.
 */
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Client, WorkflowHandle } from "@temporalio/client";
import { historyToJSON } from "@temporalio/common/lib/proto-utils.js";
import {
  CONNECTED_SIGNAL,
  DECIDED_SIGNAL,
  REQUEST_APPROVAL,
  WAKE_SIGNAL,
  watchWorkflowId,
} from "../../src/domain/names.ts";
import { startStack, type Stack, type StackOptions } from "./stack.ts";
import { startOwnServer } from "./temporal.ts";
import { until } from "./until.ts";

const FOLDER = resolve("test/histories");

async function save(client: Client, name: string, workflowId: string, runId?: string): Promise<void> {
  const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  const json = JSON.parse(historyToJSON(history)) as unknown;
  const text = JSON.stringify(json, (key, value: unknown) => cleaned(key, value), 1);
  await writeFile(join(FOLDER, `${name}.json`), `${text}\n`);
  process.stderr.write(`${name}: ${history.events?.length ?? 0} events\n`);
}

/** Without what names a machine. */
function cleaned(key: string, value: unknown): unknown {
  if (key === "identity") return "recorder";
  return key === "stackTrace" ? "" : value;
}

async function withStack(options: StackOptions, work: (stack: Stack) => Promise<void>): Promise<void> {
  const stack = await startStack(options);
  try {
    await work(stack);
  } finally {
    await stack.stop();
  }
}

type Act = (stack: Stack, approvalId: string, workflow: WorkflowHandle) => void | Promise<void>;

/** Asks, does something once the approval stands, waits for the end and saves its history. */
async function record(stack: Stack, name: string, act: Act, timeoutSeconds = 20): Promise<void> {
  const handle = await stack.approvals.start(name, "recorded for replay", { timeoutSeconds });
  const approval = await stack.platform.nextApproval(stack.workspaceId);
  const workflow = stack.temporal.workflow.getHandle(handle.workflowId);
  await until(`${name} to wait`, async () => (await workflow.query<{ step: string }>("state")).step === "waiting");
  await act(stack, approval.id, workflow);
  const result = await handle.result();
  process.stderr.write(`${result.status} `);
  await save(stack.temporal, name, handle.workflowId);
}

async function endsOfApprovals(): Promise<void> {
  await withStack({ env: { COUNTERSIGN_HINT_KEY: "k".repeat(43) } }, async (stack) => {
    await stack.platform.untilConnected(stack.workspaceId);
    await record(stack, "approved-socket", ({ platform }, id) => void platform.decide(id, "approved", "ana"));
    await record(stack, "denied-socket", ({ platform }, id) => void platform.decide(id, "denied", "bob"));
    await record(stack, "expired", async ({ platform }, id, workflow) => {
      platform.expireAll();
      await workflow.signal(DECIDED_SIGNAL, { approval_id: id, status: "denied", source: "sweep" });
    });
    await record(stack, "timed_out-withdrawn", () => {}, 2);
    await record(stack, "cancelled-withdrawn", async (_stack, _id, workflow) => void (await workflow.cancel()));
    await record(stack, "approved-before-cancel", async ({ platform }, id, workflow) => {
      platform.decide(id, "approved", "ana", { silent: true });
      await workflow.cancel();
    });
    await record(stack, "denied-after-forged-hints", async ({ platform }, id, workflow) => {
      await workflow.signal(DECIDED_SIGNAL, { approval_id: id, status: "approved", source: "manual" });
      await workflow.signal(DECIDED_SIGNAL, "nonsense");
      await until("two readings", async () => (await workflow.query<{ readings: number }>("state")).readings >= 2);
      platform.decide(id, "denied", "bob");
    });
    await record(
      stack,
      "timed_out-unreadable",
      ({ platform }) => {
        platform.fault({ method: "GET", path: /approvals/, times: 3, answer: { status: 503 } });
      },
      2,
    );
    await record(stack, "approved-unverified", ({ platform, workspaceId }, id) => {
      for (let i = 0; i < 50; i++) platform.create(workspaceId, { action: `newer ${i}`, task_id: "other" });
      platform.decide(id, "approved", "ana");
    });
    const refused = stack.platform.fault({ method: "POST", path: /approvals$/, answer: { status: 400 } });
    const failed = await stack.approvals.start("failed-create", "recorded for replay");
    await failed.result();
    refused.remove();
    await save(stack.temporal, "failed-create", failed.workflowId);

    const workflowId = `approval:${stack.workspaceId}:${randomUUID()}`;
    await stack.temporal.workflow.execute(REQUEST_APPROVAL, {
      workflowId,
      taskQueue: stack.config.taskQueue,
      args: [],
    });
    await save(stack.temporal, "failed-input", workflowId);
  });
  await withStack({ bridge: false }, async (stack) => {
    await record(stack, "approved-sweep", ({ platform }, id) => void platform.decide(id, "approved", "ana"));
    await record(stack, "timed_out-late", ({ platform }, id) => {
      platform.decide(id, "approved", "ana", { decidedAt: new Date(Date.now() + 600_000) });
    });
  });
  await withStack({ bridge: false, rbac: "rbac: {roles: [read-only]}" }, async (stack) => {
    const handle = await stack.approvals.start("forbidden", "recorded for replay");
    await handle.result();
    await save(stack.temporal, "forbidden", handle.workflowId);
  });
}

/** A server that suggests continue-as-new after 60 events, for approvals and watches alike. */
async function longLives(): Promise<void> {
  const server = await startOwnServer(undefined, {
    extraArgs: ["--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=60"],
  });
  try {
    await withStack({ env: { TEMPORAL_ADDRESS: server.address }, bridge: false }, async (stack) => {
      const runs = new Set<string>();
      await record(stack, "approved-continued", async ({ platform }, id, workflow) => {
        await until("a second run", async () => {
          await workflow
            .signal(DECIDED_SIGNAL, { approval_id: id, status: "approved", source: "manual" })
            .catch(() => {});
          runs.add((await workflow.describe()).runId);
          return runs.size >= 2;
        });
        await save(stack.temporal, "approved-continuing", workflow.workflowId, [...runs][0]);
        platform.decide(id, "approved", "ana");
      });
    });
    await withStack({ env: { TEMPORAL_ADDRESS: server.address } }, async (stack) => {
      const watchId = watchWorkflowId(stack.workspaceId);
      const watch = stack.temporal.workflow.getHandle(watchId);
      await stack.platform.untilConnected(stack.workspaceId);
      const { runId } = await watch.describe();
      const mode = async (wanted: string) =>
        await until(
          `the watch in mode ${wanted}`,
          async () => (await watch.query<{ mode: string }>("state")).mode === wanted,
        );
      await mode("stream");
      stack.platform.refuseSocket = 503;
      stack.platform.dropSockets();
      await mode("sweep");
      await until("a sweep", () => stack.platform.count("GET", "/approvals") >= 4);
      stack.platform.refuseSocket = undefined;
      await mode("stream");
      await watch.signal(CONNECTED_SIGNAL, { run_id: "another", activity_id: "stream-1" });
      const wake = { poll_interval_seconds: 1, use_websocket: true, heartbeat_seconds: 5 };
      let current = runId;
      stack.platform.refuseSocket = 503;
      stack.platform.dropSockets();
      await until("the watch to continue as new", async () => {
        await watch.signal(WAKE_SIGNAL, wake);
        current = (await watch.describe()).runId;
        return current !== runId;
      });
      await save(stack.temporal, "watch-lost-swept-back-continued", watchId, runId);
      stack.platform.refuseSocket = undefined;
      await mode("stream");
      await save(stack.temporal, "watch-continued-streaming", watchId, current);
    });
  } finally {
    await server.stop();
  }
}

await mkdir(FOLDER, { recursive: true });
await endsOfApprovals();
await longLives();
