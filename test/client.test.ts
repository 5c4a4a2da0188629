/** The agent API against a real Temporal server; the workflow's own behaviour is tested with the real worker elsewhere. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Client, Connection } from "@temporalio/client";
import fc from "fast-check";
import {
  approvalChildOptions,
  ApprovalError,
  createApprovals,
  loadConfig,
  modelLine,
  requestApprovalTool,
} from "../src/index.ts";
import type { ApprovalRequest, ApprovalResult, Config, RequestOptions, Warning } from "../src/index.ts";
import { contentHash } from "../src/client/content-hash.ts";
import { decodeResult } from "../src/client/stored-result.ts";
import { untilEvent } from "./support/history.ts";
import { connectStubWorker } from "./support/stub-worker.ts";
import type { StubWorker } from "./support/stub-worker.ts";
import { startOwnServer, testTemporal } from "./support/temporal.ts";
import type { TestTemporal } from "./support/temporal.ts";

let server: TestTemporal;
let connection: Connection;
let temporal: Client;
let stub: StubWorker;

before(async () => {
  server = await testTemporal();
  connection = await Connection.connect({ address: server.address });
  temporal = new Client({ connection });
  stub = await connectStubWorker(server.address);
});

after(async () => {
  await stub.close();
  await connection.close();
  await server.cleanup();
});

/** A workspace of the test's own, so that no other test sees its queue or its approvals. */
function workspace(
  env: Record<string, string> = {},
  address = server.address,
): Config & { workspaceId: string; taskQueue: string } {
  const workspaceId = `ws-${randomUUID()}`;
  const config = loadConfig({ WORKSPACE_ID: workspaceId, TEMPORAL_ADDRESS: address, ...env });
  return { ...config, workspaceId, taskQueue: `approvals-${workspaceId}` };
}

function approved(workflowId: string): ApprovalResult {
  return {
    status: "approved",
    approved: true,
    trace_id: "b0a7c5f0-2f0e-4d52-9b8e-0f6f4cbb8a11",
    workflow_id: workflowId,
    approval_id: "a-1",
    decided_by: "ada",
    verified: true,
  };
}

function cancelled(workflowId: string): ApprovalResult {
  return {
    status: "cancelled",
    approved: false,
    trace_id: "b0a7c5f0-2f0e-4d52-9b8e-0f6f4cbb8a11",
    workflow_id: workflowId,
    withdrawn: true,
    error: "Cancelled by the caller",
  };
}

async function closedPort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as AddressInfo;
  await new Promise((resolve) => listener.close(resolve));
  return port;
}

async function isStarted(workflowId: string): Promise<boolean> {
  return temporal.workflow
    .getHandle(workflowId)
    .describe()
    .then(
      () => true,
      () => false,
    );
}

describe("a request", () => {
  it("carries action, reason, context and the timeout of the environment to the workflow, and brings its result back", async () => {
    const config = workspace({ APPROVAL_TIMEOUT: "12.5" });
    const pending = createApprovals(config).request("drop table", "cleanup", { context: { rows: 7 } });
    let input: unknown;
    await stub.completeOne(config.taskQueue, (task) => {
      input = task.input;
      return approved(task.workflowId);
    });
    const result = await pending;
    const { request_id, ...rest } = input as ApprovalRequest;
    assert.deepEqual(rest, {
      action: "drop table",
      reason: "cleanup",
      context: { rows: 7 },
      timeout_seconds: 12.5,
      workspace_id: config.workspaceId,
    });
    assert.deepEqual(result, approved(`approval:${config.workspaceId}:${request_id}`));
  });

  it("reads the environment anew at each call", async () => {
    const config = workspace();
    const names = ["WORKSPACE_ID", "TEMPORAL_ADDRESS", "APPROVAL_TIMEOUT"] as const;
    const saved = names.map((name) => process.env[name]);
    try {
      process.env["WORKSPACE_ID"] = config.workspaceId;
      process.env["TEMPORAL_ADDRESS"] = server.address;
      const approvals = createApprovals();
      const seen: (number | undefined)[] = [];
      for (const seconds of ["41", "42"]) {
        process.env["APPROVAL_TIMEOUT"] = seconds;
        await approvals.start("a", "b");
        await stub.completeOne(config.taskQueue, (task) => {
          seen.push((task.input as ApprovalRequest).timeout_seconds);
          return approved(task.workflowId);
        });
      }
      assert.deepEqual(seen, [41, 42]);
    } finally {
      for (const [at, name] of names.entries()) {
        if (saved[at] === undefined) delete process.env[name];
        else process.env[name] = saved[at];
      }
    }
  });

  const MISUSES: readonly (readonly [string, string, string, RequestOptions, string])[] = [
    ["an empty action", "  ", "r", {}, "action must not be empty"],
    ["an action that is no string", 7 as unknown as string, "r", {}, "action must be a string"],
    ["an action over 4 KiB", "x".repeat(4_095), "r", {}, "action is 4097 bytes as JSON, the limit is 4096"],
    ["a reason over 8 KiB", "a", "\u{1f600}".repeat(2_048), {}, "reason is 8194 bytes as JSON, the limit is 8192"],
    ["a context over 64 KiB", "a", "r", { context: { x: "x".repeat(65_536) } }, "context is 65544 bytes"],
    ["a context that is a list", "a", "r", { context: [] as unknown as {} }, "context must be a JSON object"],
    [
      "a context that turns into text",
      "a",
      "r",
      { context: new Date(0) as unknown as {} },
      "context must be a JSON object",
    ],
    ["a context in a circle", "a", "r", { context: circle() }, "context must be a JSON value"],
    ["a timeout of 0", "a", "r", { timeoutSeconds: 0 }, "timeoutSeconds must be a number of seconds above 0"],
    ["a timeout that is no number", "a", "r", { timeoutSeconds: Number.NaN }, "timeoutSeconds must be a number"],
    ["an illegal request id", "a", "r", { requestId: "a b" }, "requestId must be 1 to 128 of the characters"],
    ["an empty request id", "a", "r", { requestId: "" }, "requestId must be 1 to 128 of the characters"],
  ];
  for (const [name, action, reason, options, message] of MISUSES) {
    it(`refuses ${name}, naming the field, before anything is started`, async () => {
      const config = workspace({}, "127.0.0.1:1");
      await assert.rejects(createApprovals(config).request(action, reason, options), (error) => {
        assert.ok(error instanceof ApprovalError);
        assert.equal(error.code, "ERR_REQUEST_INVALID");
        assert.ok(error.message.startsWith(`The request for approval was not started: ${message}`), error.message);
        return true;
      });
    });
  }

  it("refuses a context too deep to be read, whatever finds that out first", async () => {
    let context: RequestOptions["context"] = {};
    for (let depth = 0; depth < 9_000; depth++) context = { a: context };
    await assert.rejects(createApprovals(workspace()).request("a", "r", { context }), { code: "ERR_REQUEST_INVALID" });
  });

  it("fails, and does not throw, where Temporal cannot be reached", async () => {
    const port = await closedPort();
    const config = workspace({}, `127.0.0.1:${port}`);
    const result = await createApprovals(config, { unreachableAfterMs: 300 }).request("a", "b", { requestId: "r1" });
    assert.deepEqual(result, {
      status: "failed",
      approved: false,
      trace_id: "",
      workflow_id: `approval:${config.workspaceId}:r1`,
      error:
        `Failed to request approval: cannot reach Temporal at 127.0.0.1:${port} for 0.3 s (connect ECONNREFUSED 127.0.0.1:${port}); ` +
        "check TEMPORAL_ADDRESS and that the server runs, then ask again with requestId r1",
    });
    assert.match(modelLine(result), /^Could not ask: Failed to request approval: cannot reach Temporal/);
  });

  it("fails at once where Temporal refuses, naming the namespace", { timeout: 20_000 }, async () => {
    const config = workspace({ TEMPORAL_NAMESPACE: "no-such-namespace" });
    const result = await createApprovals(config).request("a", "b");
    assert.equal(result.status, "failed");
    assert.match(
      (result as { error: string }).error,
      /refused to start the workflow \(.*no-such-namespace.*TEMPORAL_NAMESPACE/,
    );
  });

  it("shows Temporal a redacted summary and reason, and the workflow the exact text", async () => {
    const config = workspace();
    const secret = `ghp_${"a1B2".repeat(9)}`;
    const handle = await createApprovals(config).start(`push with ${secret}`, `because ${secret}`);
    const description = await temporal.workflow.getHandle(handle.workflowId).describe();
    assert.equal(await description.staticSummary(), "push with ***REDACTED***");
    assert.equal(await description.staticDetails(), "because ***REDACTED***");
    await stub.completeOne(config.taskQueue, (task) => {
      assert.equal((task.input as ApprovalRequest).action, `push with ${secret}`);
      return approved(task.workflowId);
    });
  });
});

describe("the same request again", () => {
  it("is the same run while it is open, and the stored result once it is closed", async () => {
    const config = workspace();
    const approvals = createApprovals(config);
    const ask = () => approvals.start("a", "b", { requestId: "same", context: { x: 1, y: [2] } });
    const first = await ask();
    const second = await approvals.start("a", "b", { requestId: "same", context: { y: [2], x: 1 } });
    const [one, two] = [first.result(), second.result()];
    await stub.completeOne(config.taskQueue, (task) => approved(task.workflowId));
    const expected = approved(`approval:${config.workspaceId}:same`);
    assert.deepEqual([await one, await two, await (await ask()).result()], [expected, expected, expected]);
    const history = await temporal.workflow.getHandle(first.workflowId).fetchHistory();
    assert.equal(history.events?.length, 5);
  });

  const OTHERS: readonly (readonly [string, string, string, RequestOptions])[] = [
    ["action", "other", "b", { context: { x: 1 } }],
    ["reason", "a", "other", { context: { x: 1 } }],
    ["context", "a", "b", { context: { x: 2 } }],
    ["context left out", "a", "b", {}],
  ];
  for (const [name, action, reason, options] of OTHERS) {
    it(`is misuse with another ${name}, and never answered by the first one's approval`, async () => {
      const config = workspace();
      const approvals = createApprovals(config);
      await approvals.start("a", "b", { requestId: "same", context: { x: 1 } });
      const again = () => approvals.start(action, reason, { ...options, requestId: "same" });
      await assert.rejects(again(), { code: "ERR_REQUEST_MISMATCH" });
      await stub.completeOne(config.taskQueue, (task) => approved(task.workflowId));
      await assert.rejects(again(), {
        code: "ERR_REQUEST_MISMATCH",
        message: `requestId same already names another request (approval:${config.workspaceId}:same): its action, reason or context differ; use a new requestId for a new question`,
      });
    });
  }

  it("is compared by its input where it was started by other means", async () => {
    const config = workspace();
    const workflowId = `approval:${config.workspaceId}:foreign`;
    await temporal.workflow.start("requestApproval", {
      workflowId,
      taskQueue: config.taskQueue,
      args: [{ action: "a", reason: "b", request_id: "foreign", workspace_id: config.workspaceId, timeout_seconds: 1 }],
    });
    const approvals = createApprovals(config);
    await assert.rejects(approvals.start("other", "b", { requestId: "foreign" }), { code: "ERR_REQUEST_MISMATCH" });
    const result = approvals.request("a", "b", { requestId: "foreign" });
    await stub.completeOne(config.taskQueue, (task) => approved(task.workflowId));
    assert.deepEqual(await result, approved(workflowId));
  });

  it("is misuse where the id belongs to a workflow of another kind", async () => {
    const config = workspace();
    await temporal.workflow.start("somethingElse", {
      workflowId: `approval:${config.workspaceId}:taken`,
      taskQueue: config.taskQueue,
      args: [{ action: "a", reason: "b" }],
    });
    await assert.rejects(createApprovals(config).start("a", "b", { requestId: "taken" }), {
      code: "ERR_REQUEST_MISMATCH",
    });
  });
});

describe("the end of a run", () => {
  it("is failed where somebody terminated it", async () => {
    const config = workspace();
    const handle = await createApprovals(config).start("a", "b");
    const result = handle.result();
    await temporal.workflow.getHandle(handle.workflowId).terminate("clean-up");
    assert.deepEqual(await result, {
      status: "failed",
      approved: false,
      trace_id: "",
      workflow_id: handle.workflowId,
      error: `Failed to request approval: the workflow ${handle.workflowId} was terminated (clean-up)`,
    });
  });

  it("is that of the run which goes on where somebody reset the workflow", async () => {
    const config = workspace();
    const handle = await createApprovals(config).start("a", "b");
    const { workflowId } = handle;
    const result = handle.result();
    const { runId } = await temporal.workflow.getHandle(workflowId).describe();
    // The first run is left waiting, the second one is answered.
    const served = stub.completeOne(config.taskQueue, (task) =>
      task.runId === runId ? undefined : approved(workflowId),
    );
    const completed = await untilEvent(temporal, workflowId, "workflowTaskCompletedEventAttributes");
    await temporal.workflowService.resetWorkflowExecution({
      namespace: "default",
      workflowExecution: { workflowId, runId },
      reason: "a test",
      workflowTaskFinishEventId: completed.eventId ?? null,
      requestId: randomUUID(),
    });
    await served;
    assert.deepEqual(await result, approved(workflowId));
  });

  const BROKEN: readonly unknown[] = [
    null,
    "approved",
    { approved: true },
    { status: "approved", approved: false, trace_id: "", workflow_id: "w" },
    { status: "denied", approved: true, trace_id: "", workflow_id: "w" },
    { status: "granted", approved: true, trace_id: "", workflow_id: "w" },
    { status: "approved", approved: true, workflow_id: "w" },
  ];
  for (const value of BROKEN) {
    it(`is failed where the workflow returned ${JSON.stringify(value)}`, () => {
      assert.equal(decodeResult(value, "w").status, "failed");
    });
  }

  it("reaches the caller through a restart of Temporal, with one warning", { timeout: 90_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "countersign-client-"));
    const dbFile = join(folder, "temporal.db");
    let own = await startOwnServer(dbFile);
    try {
      const config = workspace({}, own.address);
      const warnings: Warning[] = [];
      let warned: () => void = () => {};
      const firstWarning = new Promise<void>((resolve) => (warned = resolve));
      const approvals = createApprovals(config, {
        warn: (warning) => {
          warnings.push(warning);
          warned();
        },
        noWorkerAfterMs: 600_000,
      });
      const result = approvals.request("a", "b", { requestId: "r1" });
      // The start is safe in Temporal once a second start of the same request has found it.
      await approvals.start("a", "b", { requestId: "r1" });
      await own.kill();
      await firstWarning;
      own = await startOwnServer(dbFile, { port: own.port });
      const worker = await connectStubWorker(own.address);
      await worker.completeOne(config.taskQueue, (task) => approved(task.workflowId));
      assert.deepEqual(await result, approved(`approval:${config.workspaceId}:r1`));
      await worker.close();
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ["COUNTERSIGN_TEMPORAL_LOST"],
      );
    } finally {
      await own.stop();
      await rm(folder, { recursive: true });
    }
  });
});

describe("a signal", () => {
  it("given to a request withdraws it, and the call resolves to cancelled", async () => {
    const config = workspace();
    const controller = new AbortController();
    const result = createApprovals(config).request("a", "b", { signal: controller.signal });
    await stub.completeOne(config.taskQueue, (task) => {
      controller.abort();
      return task.cancelRequested ? cancelled(task.workflowId) : undefined;
    });
    assert.equal((await result).status, "cancelled");
  });

  it("aborted beforehand starts nothing", async () => {
    const config = workspace();
    const result = await createApprovals(config).request("a", "b", { requestId: "r1", signal: AbortSignal.abort() });
    assert.equal(result.status, "cancelled");
    assert.equal(await isStarted(`approval:${config.workspaceId}:r1`), false);
  });

  it("ends the waiting for an unreachable Temporal", async () => {
    const config = workspace({}, `127.0.0.1:${await closedPort()}`);
    const controller = new AbortController();
    const result = createApprovals(config).request("a", "b", { signal: controller.signal });
    setImmediate(() => controller.abort());
    assert.equal((await result).status, "cancelled");
  });

  it("given to handle.result only stops the listening", async () => {
    const config = workspace();
    const handle = await createApprovals(config).start("a", "b");
    const controller = new AbortController();
    const listening = handle.result({ signal: controller.signal });
    const reason = new Error("enough");
    setImmediate(() => controller.abort(reason));
    await assert.rejects(listening, reason);
    const { status } = await temporal.workflow.getHandle(handle.workflowId).describe();
    assert.equal(status.name, "RUNNING");
    const result = handle.result();
    await stub.completeOne(config.taskQueue, (task) => (task.cancelRequested ? "never" : approved(task.workflowId)));
    assert.equal((await result).status, "approved");
  });
});

describe("a handle", () => {
  it("withdraws the request and waits for its end", async () => {
    const config = workspace();
    const handle = await createApprovals(config).start("a", "b");
    const result = handle.withdraw();
    await stub.completeOne(config.taskQueue, (task) => (task.cancelRequested ? cancelled(task.workflowId) : undefined));
    assert.deepEqual(await result, cancelled(handle.workflowId));
  });

  it("says at once that no worker can tell the state", async () => {
    const config = workspace();
    const handle = await createApprovals(config).start("a", "b");
    await assert.rejects(handle.state(), {
      code: "ERR_TEMPORAL_REFUSED",
      message: `Query of ${handle.workflowId}: no worker polls the task queue ${config.taskQueue} to answer it; start one with: countersign worker`,
    });
  });
});

describe("the client", () => {
  it("warns once where no worker polls the queue", async () => {
    const config = workspace();
    const warnings: Warning[] = [];
    let warned: () => void = () => {};
    const firstWarning = new Promise<void>((resolve) => (warned = resolve));
    const approvals = createApprovals(config, {
      warn: (warning) => {
        warnings.push(warning);
        warned();
      },
      noWorkerAfterMs: 1,
    });
    const pending = [approvals.request("a", "b"), approvals.request("c", "d")];
    await firstWarning;
    for (const _ of pending) await stub.completeOne(config.taskQueue, (task) => approved(task.workflowId));
    await Promise.all(pending);
    assert.deepEqual(warnings, [
      {
        code: "COUNTERSIGN_NO_WORKER",
        message: `No worker polls the task queue ${config.taskQueue}, so nobody is asked yet. Start one with: countersign worker`,
      },
    ]);
  });

  it("lists the running approvals of its own workspace", async () => {
    const config = workspace();
    const approvals = createApprovals(config);
    await createApprovals(workspace()).start("another workspace", "b");
    const { workflowId } = await approvals.start("first", "b", { requestId: "one" });
    // Visibility is eventually consistent.
    let listed = await approvals.list();
    while (listed.length === 0) listed = await approvals.list();
    const [{ started_at, ...rest } = { started_at: "" }] = listed;
    assert.equal(listed.length, 1);
    assert.ok(Date.parse(started_at) > 0);
    assert.deepEqual(rest, { workflow_id: workflowId, request_id: "one", summary: "first" });
  });

  it("names the address where it cannot list", async () => {
    const port = await closedPort();
    await assert.rejects(createApprovals(workspace({}, `127.0.0.1:${port}`)).list(), {
      code: "ERR_TEMPORAL_UNREACHABLE",
      message: new RegExp(`cannot reach Temporal at 127.0.0.1:${port} \\(connect ECONNREFUSED`),
    });
  });
});

describe("an agent's process", () => {
  it("runs the example: asks, prints the answer and exits by itself", { timeout: 60_000 }, async () => {
    const config = workspace();
    const child = node([fileURLToPath(new URL("../examples/request.js", import.meta.url))], config.workspaceId);
    await stub.completeOne(config.taskQueue, (task) => approved(task.workflowId));
    const { code, out } = await child;
    assert.equal(code, 0);
    assert.match(out, /^Approved by ada\.\nDeleting, as ada allowed under trace b0a7c5f0-/);
  });

  it("may exit after the start, and cancels nothing by it", { timeout: 60_000 }, async () => {
    const config = workspace();
    const index = JSON.stringify(new URL("../src/index.js", import.meta.url).href);
    const script = `import { createApprovals } from ${index};
      await createApprovals().start("a", "b", { requestId: "left" });`;
    const { code } = await node(["--input-type=module", "-e", script], config.workspaceId);
    assert.equal(code, 0);
    const workflowId = `approval:${config.workspaceId}:left`;
    const { status } = await temporal.workflow.getHandle(workflowId).describe();
    assert.equal(status.name, "RUNNING");
    const result = createApprovals(config).request("a", "b", { requestId: "left" });
    await stub.completeOne(config.taskQueue, (task) => (task.cancelRequested ? "never" : approved(task.workflowId)));
    assert.deepEqual(await result, approved(workflowId));
  });
});

describe("the content hash", () => {
  it("does not depend on the order of keys, and counts a missing context as null", () => {
    const one = contentHash({ action: "a", reason: "b", context: { x: 1, y: { p: 1, q: 2 } } });
    assert.equal(contentHash({ context: { y: { q: 2, p: 1 }, x: 1 }, reason: "b", action: "a" }), one);
    assert.equal(contentHash({ action: "a", reason: "b" }), contentHash({ action: "a", reason: "b", context: null }));
    // The digest itself is a wire value: a later version must compute the same.
    assert.equal(
      contentHash({ action: "a", reason: "b" }),
      "d8a19ff89832a28aeff013e8bdd854d1f4a8f21cafa085d04846a88d75d4ab67",
    );
  });

  it("differs for every two contents that differ as JSON", () => {
    const content = fc.record({
      action: fc.string(),
      reason: fc.string(),
      context: fc.option(fc.dictionary(fc.string(), fc.jsonValue())),
    });
    fc.assert(
      fc.property(content, content, (one, other) => {
        const copy = JSON.parse(JSON.stringify(one)) as typeof one;
        assert.equal(contentHash(copy), contentHash(one));
        if (contentHash(one) === contentHash(other)) {
          assert.deepEqual(JSON.parse(JSON.stringify(other)), copy);
        }
      }),
    );
  });
});

describe("what others build on", () => {
  it(
    "is a workflow that the temporal CLI can start with JSON, and the client then finds",
    { timeout: 60_000 },
    async () => {
      const config = workspace();
      const workflowId = `approval:${config.workspaceId}:r-1`;
      const input = { action: "deploy", reason: "fixed", request_id: "r-1", workspace_id: config.workspaceId };
      const argv = ["workflow", "execute", "--type", "requestApproval", "--task-queue", config.taskQueue];
      argv.push("--workflow-id", workflowId, "--input", JSON.stringify(input), "--address", server.address);
      const child = spawn(server.cliPath, argv, { stdio: "ignore" });
      const code = new Promise((resolve) => child.on("close", resolve));
      await stub.completeOne(config.taskQueue, (task) => {
        assert.deepEqual(task.input, input);
        return approved(task.workflowId);
      });
      assert.equal(await code, 0);
      assert.deepEqual(
        await createApprovals(config).request("deploy", "fixed", { requestId: "r-1" }),
        approved(workflowId),
      );
    },
  );

  it("gives a child workflow the id, the queue and a parent-close policy that withdraws", () => {
    const request = { action: "a", reason: "b", request_id: "r1", workspace_id: "ws-1" };
    assert.deepEqual(approvalChildOptions(request), {
      workflowId: "approval:ws-1:r1",
      taskQueue: "approvals-ws-1",
      args: [request],
      parentClosePolicy: "REQUEST_CANCEL",
      workflowIdReusePolicy: "REJECT_DUPLICATE",
    });
    assert.equal(approvalChildOptions(request, "fleet").taskQueue, "fleet");
  });

  it("describes the tool with the two arguments of the original", () => {
    assert.equal(requestApprovalTool.name, "request_approval");
    assert.deepEqual(Object.keys(requestApprovalTool.inputSchema.properties), requestApprovalTool.inputSchema.required);
    assert.match(requestApprovalTool.description, /destructive, expensive, or outside your normal authority/);
  });
});

/** Runs Node with the environment of an agent of the workspace. */
async function node(
  argv: readonly string[],
  workspaceId: string,
): Promise<{ readonly code: number | null; readonly out: string }> {
  const env = { PATH: process.env["PATH"], WORKSPACE_ID: workspaceId, TEMPORAL_ADDRESS: server.address };
  const child = spawn(process.execPath, argv, { env, stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, out })));
}

function circle(): NonNullable<RequestOptions["context"]> {
  const context: Record<string, unknown> = {};
  context["self"] = context;
  return context as NonNullable<RequestOptions["context"]>;
}
