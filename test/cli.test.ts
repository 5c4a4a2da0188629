/** The people's commands: arguments, output and exit codes, against a real Temporal server and our own inbox. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { Client, Connection } from "@temporalio/client";
import { EXIT, exitCodeOfResult } from "../src/cli/exit-codes.ts";
import type { Io } from "../src/cli/io.ts";
import { main } from "../src/cli/main.ts";
import { printResult } from "../src/cli/print-result.ts";
import { shortened, table } from "../src/cli/table.ts";
import { forbiddenText, timedOutText } from "../src/domain/outcome.ts";
import type { ApprovalResult } from "../src/domain/outcome.ts";
import type { Inbox } from "../src/inbox/server.ts";
import { createPlatform } from "../src/platform/http.ts";
import { tokenFrom } from "../src/platform/token.ts";
import { startTestInbox } from "./support/inbox.ts";
import { connectStubWorker } from "./support/stub-worker.ts";
import type { StubWorker } from "./support/stub-worker.ts";
import { testTemporal } from "./support/temporal.ts";
import type { TestTemporal } from "./support/temporal.ts";

const workspaceId = `ws-${randomUUID()}`;
const taskQueue = `approvals-${workspaceId}`;
const agentToken = randomBytes(16).toString("hex");
const reviewerToken = randomBytes(16).toString("hex");
const trace_id = "b0a7c5f0-2f0e-4d52-9b8e-0f6f4cbb8a11";
const NOWHERE = "127.0.0.1:1";

let server: TestTemporal;
let connection: Connection;
let temporal: Client;
let stub: StubWorker;
let inbox: Inbox;

before(async () => {
  server = await testTemporal();
  connection = await Connection.connect({ address: server.address });
  temporal = new Client({ connection });
  stub = await connectStubWorker(server.address);
  inbox = await startTestInbox({
    agents: [{ workspaceId, token: agentToken }],
    reviewers: [{ name: "ada", token: reviewerToken }],
  });
});

after(async () => {
  await inbox.stop();
  await stub.close();
  await connection.close();
  await server.cleanup();
});

function env(changes: Record<string, string> = {}): Record<string, string> {
  return {
    WORKSPACE_ID: workspaceId,
    TEMPORAL_ADDRESS: server.address,
    PLATFORM_URL: inbox.url,
    PLATFORM_TOKEN: agentToken,
    REVIEWER_TOKEN: reviewerToken,
    ...changes,
  };
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface FakeIo extends Io {
  readonly written: { out: string; err: string };
  interrupt: () => void;
}

function fakeIo(environment: Record<string, string>, colour = false): FakeIo {
  const written = { out: "", err: "" };
  const io: FakeIo = {
    out: (text) => void (written.out += `${text}\n`),
    err: (text) => void (written.err += `${text}\n`),
    colour: { out: colour, err: colour },
    env: environment,
    onInterrupt(listener) {
      io.interrupt = listener;
      return () => {};
    },
    interrupt: () => assert.fail("nobody listens for Ctrl-C"),
    exitCode: 0,
    written,
  };
  return io;
}

async function run(
  argv: readonly string[],
  environment: Record<string, string> = env(),
  io = fakeIo(environment),
): Promise<Ran> {
  const code = await main(argv, io);
  return { code, ...io.written };
}

function result(status: ApprovalResult["status"], workflow_id: string): ApprovalResult {
  const ids = { trace_id, workflow_id };
  switch (status) {
    case "approved":
      return { status, approved: true, ...ids, approval_id: "a-1", decided_by: "ada", verified: true };
    case "denied":
      return {
        status,
        approved: false,
        ...ids,
        approval_id: "a-1",
        decided_by: "ada",
        message: "Denied by human",
        comment: "too early",
      };
    case "expired":
      return {
        status,
        approved: false,
        ...ids,
        approval_id: "a-1",
        message: "Expired on the platform before anyone decided",
      };
    case "timed_out":
      return { status, approved: false, ...ids, approval_id: "a-1", withdrawn: true, error: timedOutText(300) };
    case "forbidden":
      return { status, approved: false, ...ids, error: forbiddenText(["read-only"]) };
    case "failed":
      return { status, approved: false, ...ids, error: "Failed to create request: 500" };
    case "cancelled":
      return { status, approved: false, ...ids, withdrawn: true, error: "Cancelled by the caller" };
  }
}

/** A running approval of the workspace with its item on the inbox, as the worker would make them. */
async function waiting(
  action: string,
  queue = taskQueue,
): Promise<{ readonly workflowId: string; readonly requestId: string; readonly approvalId: string }> {
  const requestId = randomUUID();
  const workflowId = `approval:${workspaceId}:${requestId}`;
  const handle = await temporal.workflow.start("requestApproval", {
    workflowId,
    taskQueue: queue,
    args: [{ action, reason: "because", request_id: requestId, workspace_id: workspaceId }],
    staticSummary: action,
  });
  const platform = createPlatform({ url: inbox.url, token: tokenFrom({ token: agentToken }) });
  const task_id = `${workflowId}#${handle.firstExecutionRunId}`;
  const created = await platform.create(workspaceId, { action, reason: "because", task_id });
  assert.equal(created.kind, "created");
  return { workflowId, requestId, approvalId: (created as { approval_id: string }).approval_id };
}

/** Ends every workflow that a test left running, so that the next one finds an empty queue. */
async function finish(
  workflowId: string,
  status: ApprovalResult["status"] = "approved",
  queue = taskQueue,
): Promise<void> {
  await stub.completeOne(queue, (task) => (task.workflowId === workflowId ? result(status, workflowId) : undefined));
}

describe("the command line", () => {
  it("shows the help and exits 2 without a command", async () => {
    const { code, out, err } = await run([], {});
    assert.deepEqual([code, out], [2, ""]);
    assert.match(err, /Usage: countersign/);
  });

  for (const name of ["request", "list", "show", "approve", "deny", "withdraw"]) {
    it(`documents ${name} with examples and --json, and exits 0`, async () => {
      const { code, out, err } = await run([name, "--help"], {});
      assert.deepEqual([code, err], [0, ""]);
      assert.match(
        out,
        new RegExp(`Usage: countersign ${name} [\\s\\S]*--json[\\s\\S]*Examples?:\\n  countersign ${name}`),
      );
    });

    it(`refuses ${name} without WORKSPACE_ID, in one line`, async () => {
      const { code, out, err } = await run([name, ...(name === "list" ? [] : ["x"])], {
        REVIEWER_TOKEN: reviewerToken,
      });
      assert.deepEqual([code, out], [2, ""]);
      assert.match(err, /^countersign: .*WORKSPACE_ID.*\n$/);
    });
  }

  const MISUSES: readonly (readonly [readonly string[], RegExp])[] = [
    [["no-such-command"], /^countersign: unknown command 'no-such-command'/],
    [["request"], /^countersign: missing required argument 'action'/],
    [["list", "--no-such-option"], /^countersign: unknown option '--no-such-option'/],
    [["list", "too", "many"], /^countersign: too many arguments/],
    [["request", " "], /^countersign: The request for approval was not started: action must not be empty\n$/],
    [["request", "a", "--timeout", "soon"], /^countersign: .*timeoutSeconds must be a number of seconds/],
    [["request", "a", "--context", "{"], /^countersign: --context is not JSON: /],
    [["request", "a", "--context", "[1]"], /^countersign: .*context must be a JSON object\n$/],
    [
      ["show", "approval:another-workspace:x"],
      /^countersign: approval:another-workspace:x is no approval of workspace ws-/,
    ],
  ];
  for (const [argv, message] of MISUSES) {
    it(`exits 2 and says why: ${argv.join(" ")}`, async () => {
      const { code, out, err } = await run(argv);
      assert.deepEqual([code, out], [2, ""]);
      assert.match(err, message);
    });
  }

  it("reports every wrong setting at once, and no secret", async () => {
    const { code, err } = await run(["list"], env({ PLATFORM_URL: "ftp://x", APPROVAL_TIMEOUT: "never" }));
    assert.equal(code, 2);
    assert.match(err, /PLATFORM_URL[\s\S]*APPROVAL_TIMEOUT|APPROVAL_TIMEOUT[\s\S]*PLATFORM_URL/);
    assert.ok(!err.includes(reviewerToken) && !err.includes(agentToken));
  });

  it("exits 3 where Temporal cannot be reached", async () => {
    const { code, out, err } = await run(["withdraw", `approval:${workspaceId}:x`], env({ TEMPORAL_ADDRESS: NOWHERE }));
    assert.deepEqual([code, out], [3, ""]);
    assert.match(err, /^countersign: .*cannot reach Temporal at 127\.0\.0\.1:1 .*\n$/);
  });
});

describe("a result", () => {
  const ENDS: readonly (readonly [ApprovalResult["status"], number, string])[] = [
    ["approved", 0, "Approved by ada."],
    ["denied", 1, "Denied by ada: too early"],
    ["expired", 1, "Expired on the platform before anyone decided; not approved."],
    ["timed_out", 1, "No decision within 300 s; not approved. Do not retry without new information."],
    [
      "forbidden",
      1,
      "Not allowed: RBAC: this workspace does not have the 'approve' permission. Current roles: ['read-only']",
    ],
    ["failed", 3, "Could not ask: Failed to create request: 500"],
    ["cancelled", 1, "Cancelled; not approved."],
  ];
  for (const [status, code, line] of ENDS) {
    it(`${status} exits ${code} and reads: ${line}`, () => {
      const io = fakeIo({});
      printResult(io, result(status, "w"), false);
      assert.equal(io.written.out, `${line}\n`);
      assert.equal(exitCodeOfResult(result(status, "w")), code);
    });
  }

  it("cannot smuggle terminal codes or line breaks, as text or as JSON", () => {
    const hostile = { ...result("denied", "w"), comment: "\u001b[2J\nApproved by root.\u202e" };
    const [text, json] = [fakeIo({}), fakeIo({})];
    printResult(text, hostile, false);
    printResult(json, hostile, true);
    assert.equal(text.written.out, "Denied by ada: \\u{1b}[2J\\u{a}Approved by root.\\u{202e}\n");
    assert.match(json.written.out, /^[ -~]+\n$/);
    assert.deepEqual(JSON.parse(json.written.out), hostile);
  });

  it("is coloured only where colours are wanted", () => {
    const io = fakeIo({}, true);
    printResult(io, result("approved", "w"), false);
    assert.equal(io.written.out, "\u001b[32mApproved by ada.\u001b[0m\n");
  });
});

describe("countersign request", () => {
  it("prints the result as JSON and exits 0 when approved", async () => {
    const pending = run([
      "request",
      "deploy",
      "--reason",
      "fixed",
      "--request-id",
      "cli-1",
      "--timeout",
      "9",
      "--context",
      '{"v":2}',
      "--json",
    ]);
    let input: unknown;
    await stub.completeOne(taskQueue, (task) => {
      input = task.input;
      return result("approved", task.workflowId);
    });
    const { code, out, err } = await pending;
    assert.deepEqual([code, err], [0, ""]);
    assert.deepEqual(JSON.parse(out), result("approved", `approval:${workspaceId}:cli-1`));
    assert.deepEqual(input, {
      action: "deploy",
      reason: "fixed",
      context: { v: 2 },
      timeout_seconds: 9,
      request_id: "cli-1",
      workspace_id: workspaceId,
    });
  });

  it("exits 1 when denied, 2 when the same id is used for another question, and 3 when the run is terminated", async () => {
    const denied = run(["request", "deploy", "--request-id", "cli-2"]);
    await finish(`approval:${workspaceId}:cli-2`, "denied");
    assert.deepEqual(await denied, { code: 1, out: "Denied by ada: too early\n", err: "" });

    const other = await run(["request", "something else", "--request-id", "cli-2"]);
    assert.deepEqual([other.code, other.out], [2, ""]);
    assert.match(other.err, /^countersign: requestId cli-2 already names another request/);

    const workflowId = `approval:${workspaceId}:cli-3`;
    await temporal.workflow.start("requestApproval", {
      workflowId,
      taskQueue,
      args: [{ action: "deploy", reason: "" }],
    });
    await temporal.workflow.getHandle(workflowId).terminate("clean-up");
    const failed = await run(["request", "deploy", "--request-id", "cli-3"]);
    assert.deepEqual([failed.code, failed.err], [3, ""]);
    assert.match(failed.out, /^Could not ask: .*was terminated \(clean-up\)\n$/);
  });

  it("withdraws at the first Ctrl-C, prints the end and exits 130 by itself", { timeout: 60_000 }, async () => {
    const module = JSON.stringify(new URL("../src/cli/main.js", import.meta.url).href);
    const script = `import { main } from ${module}; process.exitCode = await main(process.argv.slice(1));`;
    const argv = ["--input-type=module", "-e", script, "--", "request", "deploy", "--request-id", "cli-4", "--json"];
    const child = spawn(process.execPath, argv, { env: { PATH: process.env["PATH"], ...env() } });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    const exited = new Promise<number | null>((resolve) => child.on("exit", resolve));
    await stub.completeOne(taskQueue, (task) => {
      if (task.cancelRequested) return result("cancelled", task.workflowId);
      child.kill("SIGINT");
      return undefined;
    });
    assert.equal(await exited, 130);
    assert.deepEqual(JSON.parse(out), result("cancelled", `approval:${workspaceId}:cli-4`));
  });
});

describe("countersign approve and deny", () => {
  it("decides by approval id, tells a later decider who was first, and counts the same decision as done", async () => {
    const { workflowId, approvalId } = await waiting("one");
    assert.deepEqual(await run(["approve", approvalId]), { code: 0, out: `Approved: ${approvalId}\n`, err: "" });
    assert.deepEqual(await run(["deny", approvalId]), {
      code: 1,
      out: `Already approved by ada: ${approvalId}\n`,
      err: "",
    });
    const { code, out } = await run(["approve", approvalId, "--json"]);
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(out), {
      approval_id: approvalId,
      status: "approved",
      already: true,
      decided_by: "ada",
    });
    await finish(workflowId);
  });

  it("decides by workflow id, and passes the comment on", async () => {
    const { workflowId, approvalId } = await waiting("two");
    const { code, out } = await run(["deny", workflowId, "--comment", "not on a Friday", "--json"]);
    assert.equal(code, 0);
    const platform = createPlatform({ url: inbox.url, token: tokenFrom({ token: reviewerToken }) });
    const { items } = await platform.list(workspaceId, [approvalId]);
    assert.equal(items[0]?.comment, "not on a Friday");
    assert.deepEqual(JSON.parse(out), { approval_id: approvalId, status: "denied", already: false });
    await finish(workflowId, "denied");
  });

  it("never uses the agent's token: without a reviewer's it exits 2, says what to set, and decides nothing", async () => {
    const { workflowId, approvalId } = await waiting("three");
    const { code, out, err } = await run(["approve", approvalId], env({ REVIEWER_TOKEN: "" }));
    assert.deepEqual([code, out], [2, ""]);
    assert.match(err, /^countersign: .*REVIEWER_TOKEN or REVIEWER_TOKEN_FILE.*\n$/);
    const platform = createPlatform({ url: inbox.url, token: tokenFrom({ token: reviewerToken }) });
    const { items } = await platform.list(workspaceId, [approvalId]);
    assert.equal(items[0]?.status, "pending");
    await finish(workflowId);
  });

  for (const name of ["", "countersign:timed_out", " Countersign:x", "auto-expired"]) {
    it(`refuses to decide as ${JSON.stringify(name)}, which would not be a person's word`, async () => {
      const { code, err } = await run(["deny", "a-1", "--as", name]);
      assert.equal(code, 2);
      assert.match(err, /^countersign: --as .* is no person's name; give your own\n$/);
    });
  }

  it("exits 3 with the platform's refusal where the token is not a reviewer's", async () => {
    const { workflowId, approvalId } = await waiting("four");
    const { code, out, err } = await run(["approve", approvalId], env({ REVIEWER_TOKEN: agentToken }));
    assert.deepEqual([code, out], [3, ""]);
    assert.match(err, /^countersign: POST .*answered 403/);
    await finish(workflowId);
  });

  it("exits 3 for an approval that nobody knows", async () => {
    const { code, err } = await run(["approve", "no-such-approval"]);
    assert.equal(code, 3);
    assert.match(err, /^countersign: The platform has no approval no-such-approval in workspace .*countersign list\n$/);
  });
});

describe("countersign list", () => {
  it("joins the running workflows with what is pending on the platform", async () => {
    const { workflowId, requestId, approvalId } = await waiting("drop\u001b[2J table");
    const listed = async () =>
      JSON.parse((await run(["list", "--json"])).out) as { workflow_id?: string; since?: string }[];
    // Visibility is eventually consistent.
    const entryOf = async () =>
      (await listed()).find((entry) => entry.workflow_id === workflowId && "summary" in entry);
    let entry = await entryOf();
    while (entry === undefined) entry = await entryOf();
    const { since, ...rest } = entry;
    assert.ok(Date.parse(since ?? "") > 0);
    assert.deepEqual(rest, {
      workflow_id: workflowId,
      request_id: requestId,
      approval_id: approvalId,
      summary: "drop\u001b[2J table",
    });

    const { code, out, err } = await run(["list"]);
    assert.deepEqual([code, err], [0, ""]);
    const [head, ...lines] = out.trimEnd().split("\n");
    assert.match(head ?? "", /^APPROVAL +AGE +ACTION +WORKFLOW$/);
    const line = lines.find((text) => text.startsWith(approvalId)) ?? "";
    assert.ok(line.includes("drop\\u{1b}[2J table") && line.endsWith(workflowId), line);

    const halves = await run(["list"], env({ PLATFORM_URL: `http://${NOWHERE}` }));
    assert.equal(halves.code, 0);
    assert.match(halves.err, /^countersign: without the platform: /);
    assert.match(halves.out, new RegExp(workflowId));

    const otherHalf = await run(["list"], env({ TEMPORAL_ADDRESS: NOWHERE }));
    assert.equal(otherHalf.code, 0);
    assert.match(otherHalf.err, /^countersign: without the workflows: /);
    assert.match(otherHalf.out, new RegExp(approvalId));
    await finish(workflowId);
  });

  it("exits 3 where neither side answers", async () => {
    const { code, out, err } = await run(
      ["list"],
      env({ TEMPORAL_ADDRESS: NOWHERE, PLATFORM_URL: `http://${NOWHERE}` }),
    );
    assert.deepEqual([code, out], [3, ""]);
    assert.match(err, /cannot reach Temporal/);
  });

  it("aligns its columns, and cuts a long text to its width", () => {
    assert.deepEqual(
      table([
        ["a", shortened("\u{1f600}".repeat(9), 5), "end"],
        ["bbb", "y", "end"],
      ]),
      ["a    \u{1f600}\u{1f600}\u{1f600}\u{1f600}…  end", "bbb  y      end"],
    );
    assert.equal(shortened("12345", 5), "12345");
  });
});

describe("countersign show", () => {
  it("shows an open request by either id, and the closed one with its result", async () => {
    // A queue that no worker ever polled, so that the state is not waited for.
    const queue = randomUUID();
    const { workflowId, requestId, approvalId } = await waiting("five", queue);
    const request = { action: "five", reason: "because", request_id: requestId, workspace_id: workspaceId };
    for (const id of [workflowId, approvalId]) {
      const { code, out, err } = await run(["show", id, "--json"], env({ COUNTERSIGN_TASK_QUEUE: queue }));
      assert.equal(code, 0);
      assert.match(err, /^countersign: .*start one with: countersign worker\n$/);
      const shown = JSON.parse(out) as Record<string, unknown>;
      assert.deepEqual([shown["workflow_id"], shown["execution"], shown["request"]], [workflowId, "running", request]);
    }
    await finish(workflowId, "timed_out", queue);
    const { code, out, err } = await run(["show", approvalId]);
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /^Action +five\nReason +because\n/);
    assert.match(out, /\nPlatform +pending\nResult +No decision within 300 s; not approved\./);
  });

  it("exits 3 for ids that nobody knows, with the next step", async () => {
    for (const id of ["no-such-approval", `approval:${workspaceId}:no-such-request`]) {
      const { code, out, err } = await run(["show", id]);
      assert.deepEqual([code, out], [EXIT.failure, ""]);
      assert.match(err, /^countersign: .*check the ID.*\n$/);
    }
  });
});

describe("countersign withdraw", () => {
  it("cancels the workflow, prints its result and exits 0", async () => {
    const { workflowId, approvalId } = await waiting("six");
    const withdrawn = run(["withdraw", approvalId, "--json"]);
    await stub.completeOne(taskQueue, (task) =>
      task.cancelRequested ? result("cancelled", task.workflowId) : undefined,
    );
    const { code, out } = await withdrawn;
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(out), result("cancelled", workflowId));
  });

  it("exits 1 where a decision came first", async () => {
    const { workflowId } = await waiting("seven");
    await finish(workflowId);
    assert.deepEqual(await run(["withdraw", workflowId]), { code: 1, out: "Approved by ada.\n", err: "" });
  });

  it("stops waiting at Ctrl-C with exit code 130", async () => {
    const { workflowId } = await waiting("eight");
    const io = fakeIo(env());
    const withdrawn = run(["withdraw", workflowId], env(), io);
    let description = await temporal.workflow.getHandle(workflowId).fetchHistory();
    while ((description.events?.length ?? 0) < 3)
      description = await temporal.workflow.getHandle(workflowId).fetchHistory();
    io.interrupt();
    assert.deepEqual(await withdrawn, { code: 130, out: "", err: "" });
    await stub.completeOne(taskQueue, (task) =>
      task.cancelRequested ? result("cancelled", task.workflowId) : undefined,
    );
  });
});
