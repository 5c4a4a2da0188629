import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { CONTENT_MEMO, DECIDED_SIGNAL, REQUEST_APPROVAL } from "../src/domain/names.ts";
import type { ApprovalResult } from "../src/domain/outcome.ts";
import { hintSources } from "./support/history.ts";
import { startStack, type Stack } from "./support/stack.ts";

const run = promisify(execFile);

/** The final records of one lifecycle; every end must leave exactly one. */
function finals(stack: Stack, result: ApprovalResult): string[] {
  return stack
    .audit(result.trace_id)
    .filter((line) => line.action === "approve" || line.action === "rbac.deny")
    .map((line) => line.outcome)
    .filter((outcome) => outcome !== "requested");
}

function notes(stack: Stack, result: ApprovalResult): string[] {
  return stack
    .audit(result.trace_id)
    .map((line) => line.action)
    .filter((action) => action.includes(".") && action !== "rbac.deny");
}

describe("on the real platform's dialect", () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack({ env: { APPROVAL_POLL_INTERVAL: "2" } });
    // The first request wakes the watch, and the watch brings the stream.
    await stack.platform.untilConnected(stack.workspaceId);
  });
  after(() => stack.stop());
  const next = () => stack.platform.nextApproval(stack.workspaceId);

  test("an approval heard on the socket reaches the agent and the audit log", async () => {
    const asked = stack.approvals.request("drop the staging database", "it is stale", { context: { rows: 12 } });
    const approval = await next();
    assert.deepEqual(
      [approval.action, approval.reason, approval.context],
      ["drop the staging database", "it is stale", { rows: 12 }],
    );
    stack.platform.decide(approval.id, "approved", "ana");
    const result = await asked;
    assert.ok(result.status === "approved");
    const [, , requestId] = result.workflow_id.split(":");
    assert.deepEqual(result, {
      status: "approved",
      approved: true,
      approval_id: approval.id,
      decided_by: "ana",
      decided_at: stack.platform.approvals(stack.workspaceId).find((one) => one.id === approval.id)?.decided_at,
      verified: true,
      trace_id: result.trace_id,
      workflow_id: `approval:${stack.workspaceId}:${requestId}`,
    });
    assert.match(result.trace_id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.match(approval.task_id, new RegExp(`^${result.workflow_id}#`));
    const [requested, granted, ...rest] = stack.audit(result.trace_id);
    assert.deepEqual(rest, []);
    assert.deepEqual(
      [requested?.outcome, requested?.["approval_id"], requested?.["reason_text"]],
      ["requested", approval.id, "it is stale"],
    );
    assert.deepEqual(
      [granted?.outcome, granted?.["actor"], granted?.["resource"]],
      ["granted", "ana", "drop the staging database"],
    );
  });

  test("a denial reaches the agent with the name of who denied", async () => {
    const asked = stack.approvals.request("send all invoices", "month end");
    const approval = await next();
    stack.platform.decide(approval.id, "denied", "bob");
    const result = await asked;
    assert.ok(result.status === "denied");
    assert.deepEqual([result.approved, result.decided_by, result.message], [false, "bob", "Denied by human"]);
    assert.deepEqual(finals(stack, result), ["denied"]);
  });

  test("a decision made before the creator knows the approval id is not lost", async () => {
    stack.platform.onCreate = (approval) => void stack.platform.decide(approval.id, "approved", "quick");
    const result = await stack.approvals.request("race", "a decider that is faster than the answer");
    stack.platform.onCreate = undefined;
    assert.equal(result.status, "approved");
    assert.deepEqual(finals(stack, result), ["granted"]);
    await next();
  });

  test("a decision without an event is found by the list", async () => {
    const asked = stack.approvals.request("quiet", "", { timeoutSeconds: 4 });
    const approval = await next();
    stack.platform.decide(approval.id, "approved", "ana", { silent: true });
    assert.equal((await asked).status, "approved");
  });

  test("a frame that cannot be read makes the bridge read the list", async () => {
    const handle = await stack.approvals.start("garbled", "");
    const approval = await next();
    stack.platform.decide(approval.id, "approved", "ana", { silent: true });
    const payload = `{"approval_id":"${approval.id}","decision":"approved","decision":"denied"}`;
    const frame = `{"event":"APPROVAL_APPROVED","workspace_id":"${stack.workspaceId}","payload":${payload}}`;
    stack.platform.send(stack.workspaceId, frame);
    assert.equal((await handle.result()).status, "approved");
    assert.deepEqual(await hintSources(stack.temporal, handle.workflowId), ["socket"]);
  });

  test("a request that nobody answers times out and is withdrawn, so that no one decides into the void", async () => {
    const asked = stack.approvals.request("nobody is there", "", { timeoutSeconds: 2 });
    const approval = await next();
    const result = await asked;
    assert.ok(result.status === "timed_out");
    assert.deepEqual([result.withdrawn, result.error], [true, "Timed out after 2s waiting for human decision"]);
    const left = stack.platform.approvals(stack.workspaceId).find((one) => one.id === approval.id);
    assert.deepEqual([left?.status, left?.decided_by], ["denied", "countersign:timed_out"]);
    assert.equal(stack.platform.decide(approval.id, "approved", "late"), false);
    assert.deepEqual(finals(stack, result), ["timeout"]);
  });

  test("what the platform closes unanswered is expired, and nobody is said to have denied it", async () => {
    const asked = stack.approvals.request("left alone", "", { timeoutSeconds: 4 });
    await next();
    stack.platform.expireAll();
    const result = await asked;
    assert.ok(result.status === "expired");
    assert.equal(result.message, "Expired on the platform before anyone decided");
    assert.deepEqual(finals(stack, result), ["denied"]);
    assert.equal(stack.audit(result.trace_id).at(-1)?.["reason"], "auto_expired");
  });

  test("a request that the caller withdraws is cancelled here and on the platform", async () => {
    const handle = await stack.approvals.start("changed my mind", "");
    const approval = await next();
    await handle.withdraw();
    const result = await handle.result();
    assert.ok(result.status === "cancelled");
    assert.deepEqual([result.withdrawn, result.error], [true, "Cancelled by the caller"]);
    const left = stack.platform.approvals(stack.workspaceId).find((one) => one.id === approval.id);
    assert.deepEqual([left?.status, left?.decided_by], ["denied", "countersign:cancelled"]);
    assert.deepEqual(finals(stack, result), ["cancelled"]);
  });

  test("the caller's abort signal withdraws the request", async () => {
    const controller = new AbortController();
    const asked = stack.approvals.request("abort", "", { signal: controller.signal });
    await next();
    controller.abort();
    assert.equal((await asked).status, "cancelled");
  });

  test("a valid decision that stands already wins over the withdrawal", async () => {
    stack.platform.eventsOff = true;
    const handle = await stack.approvals.start("both at once", "");
    const approval = await next();
    stack.platform.decide(approval.id, "approved", "ana");
    await handle.withdraw();
    const result = await handle.result();
    stack.platform.eventsOff = false;
    assert.equal(result.status, "approved");
    assert.deepEqual(finals(stack, result), ["granted"]);
  });

  test("the same request asked twice is one approval with one answer, while it is open and after it closed", async () => {
    const options = { requestId: `same-${randomUUID()}` };
    const [first, second] = [
      stack.approvals.request("once", "only", options),
      stack.approvals.request("once", "only", options),
    ];
    const approval = await next();
    stack.platform.decide(approval.id, "approved", "ana");
    const answers = [await first, await second, await stack.approvals.request("once", "only", options)];
    assert.deepEqual(answers[1], answers[0]);
    assert.deepEqual(answers[2], answers[0]);
    assert.equal(stack.platform.approvals(stack.workspaceId).filter((one) => one.action === "once").length, 1);
  });

  test("a request id that stands for something else is misuse, never an approval of it", async () => {
    const options = { requestId: `taken-${randomUUID()}` };
    const asked = stack.approvals.request("delete one row", "", options);
    const approval = await next();
    await assert.rejects(stack.approvals.request("delete all rows", "", options), { code: "ERR_REQUEST_MISMATCH" });
    stack.platform.decide(approval.id, "approved", "ana");
    assert.equal((await asked).status, "approved");
    await assert.rejects(stack.approvals.request("delete all rows", "", options), { code: "ERR_REQUEST_MISMATCH" });
  });

  test("an old approved request of the same id is never adopted by a new run", async () => {
    const requestId = `reused-${randomUUID()}`;
    const workflowId = `approval:${stack.workspaceId}:${requestId}`;
    const old = stack.platform.create(stack.workspaceId, { action: "drop", task_id: `${workflowId}#${randomUUID()}` });
    stack.platform.decide(old, "approved", "ana");
    // The answer to the creation is lost, so that the new run looks for its own among them.
    const lost = stack.platform.fault({
      method: "POST",
      path: /approvals$/,
      times: 1,
      when: "before",
      answer: "reset",
    });
    const asked = stack.approvals.request("drop", "", { requestId });
    const approval = await next();
    lost.remove();
    assert.notEqual(approval.id, old);
    stack.platform.decide(approval.id, "denied", "bob");
    const result = await asked;
    assert.ok(result.status === "denied");
    assert.equal(result.approval_id, approval.id);
  });

  test("hints that are repeated, of other approvals or contrary to the platform change nothing", async () => {
    const handle = await stack.approvals.start("steady", "", { timeoutSeconds: 20 });
    const approval = await next();
    const workflow = stack.temporal.workflow.getHandle(handle.workflowId);
    const hint = { approval_id: approval.id, status: "approved", decided_by: "mallory", source: "socket" };
    const foreign = { ...hint, approval_id: randomUUID() };
    await Promise.all(
      [hint, hint, foreign, { ...hint, status: "denied" }, { nonsense: true }].map((one) =>
        workflow.signal(DECIDED_SIGNAL, one),
      ),
    );
    stack.platform.send(
      stack.workspaceId,
      JSON.stringify({
        event: "APPROVAL_APPROVED",
        workspace_id: randomUUID(),
        payload: { approval_id: approval.id, decision: "approved" },
      }),
    );
    stack.platform.decide(approval.id, "denied", "bob");
    const result = await handle.result();
    assert.ok(result.status === "denied");
    assert.equal(result.decided_by, "bob");
    assert.deepEqual(finals(stack, result), ["denied"]);
    assert.ok(notes(stack, result).includes("decision.conflict"));
    assert.deepEqual((await handle.state())?.hints.ignored, 1);
  });

  test("a forged signal grants nothing while the platform says pending, and hints never postpone the deadline", async () => {
    const started = Date.now();
    const handle = await stack.approvals.start("forged", "", { timeoutSeconds: 4 });
    const approval = await next();
    const hint = JSON.stringify({
      approval_id: approval.id,
      status: "approved",
      decided_by: "mallory",
      source: "socket",
      proof: "0".repeat(64),
    });
    const ended = handle.result();
    let over = false;
    void ended.then(() => (over = true));
    while (!over) {
      await run(stack.temporalCli, [
        "workflow",
        "signal",
        "--address",
        stack.config.temporal.address,
        "--workflow-id",
        handle.workflowId,
        "--name",
        DECIDED_SIGNAL,
        "--input",
        hint,
      ]).catch(() => undefined);
    }
    const result = await ended;
    assert.equal(result.status, "timed_out");
    assert.ok(Date.now() - started < 4_000 + 25_000);
    assert.deepEqual(notes(stack, result), ["hint.unconfirmed"]);
    const readings = (await handle.state())?.readings ?? 0;
    assert.ok(readings <= 8, `${readings} readings in 4 s: at most one a second, and those of the end`);
  });

  test("signals that cannot be decoded, of unknown names or of huge size change nothing", async () => {
    const handle = await stack.approvals.start("poisoned", "");
    const approval = await next();
    const poison = async (signalName: string, encoding: string, data: Buffer) =>
      await stack.temporal.workflowService.signalWorkflowExecution({
        namespace: "default",
        workflowExecution: { workflowId: handle.workflowId },
        signalName,
        input: { payloads: [{ metadata: { encoding: Buffer.from(encoding) }, data }] },
      });
    await poison(DECIDED_SIGNAL, "json/plain", Buffer.from("{not json"));
    await poison(DECIDED_SIGNAL, "text/unknown", Buffer.from("?"));
    await poison(DECIDED_SIGNAL, "json/plain", Buffer.from(JSON.stringify("x".repeat(1_900_000))));
    await poison("no-such-signal", "json/plain", Buffer.from("1"));
    stack.platform.decide(approval.id, "approved", "ana");
    assert.equal((await handle.result()).status, "approved");
  });

  test("a start without input, from any client, ends failed instead of failing its task for ever", async () => {
    for (const args of [[], [null], [{ action: 5 }]]) {
      const workflowId = `approval:${stack.workspaceId}:${randomUUID()}`;
      const result = (await stack.temporal.workflow.execute(REQUEST_APPROVAL, {
        workflowId,
        taskQueue: stack.config.taskQueue,
        args,
      })) as ApprovalResult;
      assert.ok(result.status === "failed");
      assert.match(result.error, /^Failed to request approval: /);
      assert.deepEqual(finals(stack, result), ["failure"]);
    }
  });

  test("a workflow id that does not belong to the request ends failed", async () => {
    const args = [{ action: "a", reason: "", request_id: "r", workspace_id: stack.workspaceId }];
    const options = { workflowId: `other-${randomUUID()}`, taskQueue: stack.config.taskQueue, args };
    const result = (await stack.temporal.workflow.execute(REQUEST_APPROVAL, options)) as ApprovalResult;
    assert.ok(result.status === "failed");
    assert.match(result.error, /the workflow id must be approval:/);
  });

  test("a workspace that this worker does not serve ends failed", async () => {
    const request_id = randomUUID();
    const args = [{ action: "a", reason: "", request_id, workspace_id: "another" }];
    const options = { workflowId: `approval:another:${request_id}`, taskQueue: stack.config.taskQueue, args };
    const result = (await stack.temporal.workflow.execute(REQUEST_APPROVAL, options)) as ApprovalResult;
    assert.ok(result.status === "failed");
    assert.match(result.error, /another/);
  });

  test("a request started by the temporal command line with JSON is answered like any other", async () => {
    const request_id = randomUUID();
    const workflowId = `approval:${stack.workspaceId}:${request_id}`;
    const input = JSON.stringify({
      action: "from a shell",
      reason: "no SDK",
      request_id,
      workspace_id: stack.workspaceId,
    });
    await run(stack.temporalCli, [
      "workflow",
      "start",
      "--address",
      stack.config.temporal.address,
      "--type",
      REQUEST_APPROVAL,
      "--task-queue",
      stack.config.taskQueue,
      "--workflow-id",
      workflowId,
      "--input",
      input,
    ]);
    const approval = await next();
    stack.platform.decide(approval.id, "approved", "ana");
    const result = (await stack.temporal.workflow.getHandle(workflowId).result()) as ApprovalResult;
    assert.equal(result.status, "approved");
    // Without our memo the content is compared by the input in the history.
    assert.deepEqual(await stack.approvals.request("from a shell", "no SDK", { requestId: request_id }), result);
    await assert.rejects(stack.approvals.request("something else", "no SDK", { requestId: request_id }), {
      code: "ERR_REQUEST_MISMATCH",
    });
  });

  test("the Temporal UI is told what is asked, the approval and how to decide", async () => {
    const handle = await stack.approvals.start("deploy with token ghp_0123456789abcdefghijABCDEFGHIJ012345", "");
    const approval = await next();
    const workflow = stack.temporal.workflow.getHandle(handle.workflowId);
    let details = "";
    while (!details.includes(approval.id)) {
      const metadata = await workflow.query<{ currentDetails?: string }>("__temporal_workflow_metadata");
      details = metadata.currentDetails ?? "";
    }
    assert.match(details, /countersign approve/);
    assert.match(details, /Deadline: \d{4}-/);
    const description = await workflow.describe();
    assert.match(String(await description.staticSummary()), /^deploy with token/);
    assert.equal(description.memo?.["approval_id"], approval.id);
    assert.match(String(description.memo?.[CONTENT_MEMO]), /^[0-9a-f]{64}$/);
    for (const text of [details, String(await description.staticSummary())]) assert.doesNotMatch(text, /ghp_0123/);
    stack.platform.decide(approval.id, "denied", "bob");
    await handle.result();
  });

  test("the largest legal request, in emoji, quotes and control characters, is granted", async () => {
    const action = "\u{1F600}".repeat(1023);
    const reason = '"\u0001'.repeat((8 * 1024 - 2) / 8);
    const context = { text: "ä".repeat((64 * 1024 - 11) / 2) };
    const asked = stack.approvals.request(action, reason, { context });
    const approval = await next();
    assert.deepEqual([approval.action, approval.reason, approval.context], [action, reason, context]);
    stack.platform.decide(approval.id, "approved", "ana");
    assert.equal((await asked).status, "approved");
  });

  test("with 50 newer approvals in front, a forged hint grants nothing and the deadline still withdraws ours", async () => {
    const handle = await stack.approvals.start("buried", "", { timeoutSeconds: 3 });
    const approval = await next();
    for (let i = 0; i < 50; i++) stack.platform.create(stack.workspaceId, { action: `newer ${i}`, task_id: "other" });
    await stack.temporal.workflow
      .getHandle(handle.workflowId)
      .signal(DECIDED_SIGNAL, { approval_id: approval.id, status: "approved", source: "manual" });
    const result = await handle.result();
    assert.ok(result.status === "timed_out");
    assert.equal(result.withdrawn, true);
    assert.equal(
      stack.platform.approvals(stack.workspaceId).find((one) => one.id === approval.id)?.decided_by,
      "countersign:timed_out",
    );
  });
});

describe("with COUNTERSIGN_HINT_KEY and 50 newer approvals in front", () => {
  test("a decision heard on the authenticated socket counts, and is marked as not verified", async () => {
    const stack = await startStack({ env: { COUNTERSIGN_HINT_KEY: "k".repeat(43) } });
    try {
      await stack.platform.untilConnected(stack.workspaceId);
      const handle = await stack.approvals.start("buried", "");
      const approval = await stack.platform.nextApproval(stack.workspaceId);
      for (let i = 0; i < 50; i++) stack.platform.create(stack.workspaceId, { action: `newer ${i}`, task_id: "other" });
      stack.platform.decide(approval.id, "approved", "ana");
      const result = await handle.result();
      assert.ok(result.status === "approved");
      assert.deepEqual([result.verified, result.decided_by], [false, "ana"]);
      const decision = stack.audit(result.trace_id).at(-1)?.["decision"] as { readonly verified?: boolean } | undefined;
      assert.equal(decision?.verified, false);
    } finally {
      await stack.stop();
    }
  });
});

describe("on a platform with the minimal contract", () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack({ platform: { minimal: true } });
    await stack.platform.untilConnected(stack.workspaceId);
  });
  after(() => stack.stop());

  for (const decision of ["approved", "denied"] as const) {
    test(`a decision heard on the socket finds its request without a task id: ${decision}`, async () => {
      const asked = stack.approvals.request(`minimal ${decision}`, "");
      const approval = await stack.platform.nextApproval(stack.workspaceId);
      stack.platform.decide(approval.id, decision, "ana");
      const result = await asked;
      assert.equal(result.status, decision);
      assert.deepEqual(finals(stack, result), [decision === "approved" ? "granted" : "denied"]);
    });
  }

  test("an ambiguous creation is never repeated, since a second one could not be told from the first", async () => {
    stack.platform.create(stack.workspaceId, { action: "other" });
    stack.platform.fault({ method: "POST", path: /approvals$/, times: 1, when: "after", answer: "reset" });
    const result = await stack.approvals.request("ambiguous", "");
    assert.ok(result.status === "failed");
    assert.match(result.error, /^Failed to request approval: /);
    assert.equal(stack.platform.approvals(stack.workspaceId).filter((one) => one.action === "ambiguous").length, 1);
    await stack.platform.nextApproval(stack.workspaceId);
  });
});

describe("with the socket refused", () => {
  test("a decision is found by the sweep, also without a task id", async () => {
    for (const minimal of [false, true]) {
      const stack = await startStack({ platform: { minimal, refuseSocket: 401 } });
      try {
        const asked = stack.approvals.request("swept", "");
        const approval = await stack.platform.nextApproval(stack.workspaceId);
        stack.platform.decide(approval.id, "approved", "ana");
        assert.equal((await asked).status, "approved", `minimal: ${minimal}`);
      } finally {
        await stack.stop();
      }
    }
  });
});

describe("with roles that may not ask", () => {
  test("a request is forbidden, recorded, and nothing reaches the platform", async () => {
    const stack = await startStack({ rbac: "rbac:\n  roles: [read-only]\n", bridge: false });
    try {
      const result = await stack.approvals.request("drop", "");
      assert.ok(result.status === "forbidden");
      assert.equal(
        result.error,
        "RBAC: this workspace does not have the 'approve' permission. Current roles: ['read-only']",
      );
      assert.deepEqual(finals(stack, result), ["denied"]);
      const [record] = stack.audit(result.trace_id);
      assert.deepEqual(
        [record?.["event_type"], record?.action, record?.["roles"]],
        ["rbac", "rbac.deny", ["read-only"]],
      );
      assert.equal(stack.platform.count("POST", "/approvals"), 0);
    } finally {
      await stack.stop();
    }
  });

  test("a configuration that cannot be read forbids, where the original allowed", async () => {
    const stack = await startStack({ rbac: "rbac: [", bridge: false });
    try {
      const result = await stack.approvals.request("drop", "");
      assert.ok(result.status === "forbidden");
      assert.match(result.error, /^RBAC: the configuration cannot be read: /);
    } finally {
      await stack.stop();
    }
  });
});
