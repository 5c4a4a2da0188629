import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { MockActivityEnvironment } from "@temporalio/testing";
import { createWithdrawApproval } from "../src/activities/withdraw-approval.ts";
import type { ApprovalResult } from "../src/domain/outcome.ts";
import type { WithdrawInput } from "../src/domain/ports.ts";
import { newToken } from "../src/inbox/tokens.ts";
import { createPlatform } from "../src/platform/http.ts";
import { createSharedList } from "../src/platform/shared-list.ts";
import { tokenFrom } from "../src/platform/token.ts";
import { startTestInbox } from "./support/inbox.ts";
import { untilEvent } from "./support/history.ts";
import { startPlatform, type TestPlatform } from "./support/platform.ts";
import type { Fault, FaultAnswer, FaultRule } from "./support/platform-faults.ts";
import type { LoggedRequest } from "./support/platform-server.ts";
import type { PlatformApproval } from "./support/platform-store.ts";
import { startStack, type Stack, type StackOptions } from "./support/stack.ts";
import { until } from "./support/until.ts";

const HTML = "<!doctype html><title>Welcome</title>";
const JSON_TYPE = { "content-type": "application/json" };

/** One stack for the tests of one suite, which run one after the other, because faults hit whatever comes next. */
function useStack(options: StackOptions = {}) {
  let stack: Stack | undefined;
  let faults: Fault[] = [];
  const current = (): Stack => {
    assert.ok(stack);
    return stack;
  };
  before(async () => {
    stack = await startStack(options);
    // The worker has run the watch by then, so that its start is not measured.
    await stack.platform.untilConnected(stack.workspaceId);
  });
  afterEach(() => {
    for (const fault of faults) fault.remove();
    faults = [];
    current().platform.onCreate = undefined;
    current().platform.onList = undefined;
  });
  after(() => stack?.stop());
  const add = (rule: FaultRule): Fault => {
    const fault = current().platform.fault(rule);
    faults.push(fault);
    return fault;
  };
  return {
    get stack() {
      return current();
    },
    /** What befalls the POST of an approval. */
    onPost: (answer: FaultAnswer, rule: Pick<FaultRule, "times" | "when"> = {}) =>
      add({ method: "POST", path: /\/approvals$/, answer, ...rule }),
    next: (action: string) => current().platform.nextApproval(current().workspaceId, (one) => one.action === action),
    /** What befalls every list. */
    onList: (answer: FaultAnswer) => add({ method: "GET", path: /\/approvals/, answer }),
  };
}

/** The POSTs of this action, oldest first. */
function posts(stack: Stack, action: string): LoggedRequest[] {
  const body = `"action":${JSON.stringify(action)}`;
  return stack.platform.requests.filter((request) => request.method === "POST" && request.body.includes(body));
}

function own(stack: Stack, workflowId: string): PlatformApproval[] {
  return stack.platform
    .approvals(stack.workspaceId)
    .filter((approval) => approval.task_id.startsWith(`${workflowId}#`));
}

/** The result, the history, the audit log and the platform agree, and nothing of the request is left open. */
async function assertClosed(stack: Stack, result: ApprovalResult): Promise<void> {
  const outcomes = stack.audit(result.trace_id).map((line) => line.outcome);
  const final = { approved: "granted", denied: "denied", timed_out: "timeout", failed: "failure" }[
    result.status as "approved" | "denied" | "timed_out" | "failed"
  ];
  assert.deepEqual(
    outcomes.filter((outcome) => outcome !== "skipped"),
    "approval_id" in result ? ["requested", final] : [final],
  );
  assert.deepEqual(await stack.temporal.workflow.getHandle(result.workflow_id).result(), result);
  const left = own(stack, result.workflow_id).map((approval) => [approval.id, approval.status, approval.decided_by]);
  const expected = left.map(([id]) => {
    if (result.status === "failed") return [id, "denied", "countersign:failed"];
    assert.ok("approval_id" in result);
    if (id !== result.approval_id) return [id, "denied", "countersign:duplicate"];
    return "decided_by" in result ? [id, result.status, result.decided_by] : [id, "denied", "countersign:timed_out"];
  });
  assert.deepEqual(left, expected);
}

/** A request that somebody approves as soon as it stands on the platform, and that must reach the agent. */
async function assertGranted(stack: Stack, action: string): Promise<ApprovalResult> {
  const asked = stack.approvals.request(action, "because");
  const approval = await stack.platform.nextApproval(stack.workspaceId, (one) => one.action === action);
  stack.platform.decide(approval.id, "approved", "ana");
  const result = await asked;
  assert.ok(result.status === "approved", JSON.stringify(result));
  assert.equal(result.approval_id, approval.id);
  assert.equal(own(stack, result.workflow_id).length, 1);
  await assertClosed(stack, result);
  return result;
}

async function assertFailed(stack: Stack, action: string, timeoutSeconds: number, error: string | RegExp) {
  const started = performance.now();
  const result = await stack.approvals.request(action, "because", { timeoutSeconds });
  const tookMs = performance.now() - started;
  assert.ok(result.status === "failed", JSON.stringify(result));
  if (typeof error === "string") assert.equal(result.error, error);
  else assert.match(result.error, error);
  assert.equal(stack.audit(result.trace_id).at(-1)?.["error"], result.error);
  await assertClosed(stack, result);
  return { result, tookMs };
}

function gapsMs(requests: readonly LoggedRequest[]): number[] {
  return requests.slice(1).map((request, at) => request.at - (requests[at]?.at ?? 0));
}

describe("creating an approval", { concurrency: true }, () => {
  describe("on a platform that refuses it", { concurrency: false }, () => {
    const on = useStack();
    let elsewhere: TestPlatform;
    before(async () => {
      elsewhere = await startPlatform();
    });
    after(() => elsewhere.stop());

    for (const status of [400, 403, 404, 409, 422, 301, 302, 307, 308]) {
      test(`fails at once with a ${status}, and asks nowhere else`, async () => {
        const headers = status < 400 ? { location: `${elsewhere.url}/workspaces/x/approvals` } : {};
        on.onPost({ status, headers });
        const action = `refused with ${status}`;
        await assertFailed(on.stack, action, 30, `Failed to create request: ${status}`);
        assert.equal(posts(on.stack, action).length, 1);
        assert.deepEqual(elsewhere.requests, []);
      });
    }
  });

  describe("with a token from a file", { concurrency: false }, () => {
    let stack: Stack;
    let folder: string;
    let tokenFile: string;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "countersign-token-"));
      tokenFile = join(folder, "token");
      await writeFile(tokenFile, "before-the-first");
      stack = await startStack({
        bridge: false,
        // One sweep at the start and none for an hour, so that only the request itself meets the new token.
        env: {
          PLATFORM_TOKEN: "",
          PLATFORM_TOKEN_FILE: tokenFile,
          APPROVAL_USE_WEBSOCKET: "false",
          APPROVAL_POLL_INTERVAL: "3600",
        },
      });
      await writeFile(tokenFile, stack.token);
      await stack.platform.until(() => stack.platform.count("GET", "/approvals") >= 1, "the first sweep");
      await until("the worker's first word to the watch", () =>
        stack.platform.requests.every((request) => request.headers.authorization !== undefined),
      );
    });
    after(async () => {
      await stack.stop();
      await rm(folder, { recursive: true });
    });

    async function rotate(token: string, inFile: boolean): Promise<void> {
      stack.platform.setToken(stack.workspaceId, token);
      if (inFile) await writeFile(tokenFile, token);
    }

    test("reads the file again after a 401 and goes on with the new token", async () => {
      await rotate("the-second-token", true);
      const asked = stack.approvals.request("rotated", "", { timeoutSeconds: 2 });
      const approval = await stack.platform.nextApproval(stack.workspaceId);
      stack.platform.decide(approval.id, "approved", "ana");
      const result = await asked;
      assert.equal(result.status, "approved");
      assert.deepEqual(
        posts(stack, "rotated").map((request) => request.headers.authorization),
        [`Bearer ${stack.token}`, "Bearer the-second-token"],
      );
      await assertClosed(stack, result);
    });

    test("fails at once where the file has no other token, although the list is refused too", async () => {
      await rotate("the-third-token", false);
      const { tookMs } = await assertFailed(stack, "wrong token", 60, "Failed to create request: 401");
      assert.equal(posts(stack, "wrong token").length, 1);
      // Looking for what may stand there would go on for 25 s.
      assert.ok(tookMs < 15_000, `${tookMs} ms`);
    });
  });

  describe("on a platform in trouble", { concurrency: false }, () => {
    const on = useStack();

    const passing: readonly [string, FaultAnswer, number][] = [
      ["answers 500 three times", { status: 500 }, 3],
      ["answers 503 with a page", { status: 503, body: HTML }, 1],
      ["answers 408", { status: 408 }, 1],
      ["answers 425", { status: 425 }, 1],
      ["resets the connection before it has done anything", "reset", 1],
      ["answers 201 with a page and has done nothing", { status: 201, body: HTML }, 1],
    ];
    for (const [name, answer, times] of passing) {
      test(`asks again where it ${name}, and makes one approval`, async () => {
        on.onPost(answer, { times });
        await assertGranted(on.stack, name);
        assert.equal(posts(on.stack, name).length, times + 1);
      });
    }
  });

  describe("on a platform in lasting trouble", { concurrency: false }, () => {
    const on = useStack();

    const lasting: readonly [string, FaultAnswer, string | RegExp][] = [
      ["answers 500", { status: 500 }, "Failed to create request: 500"],
      ["answers 503", { status: 503 }, "Failed to create request: 503"],
      ["answers 200", { status: 200, body: "{}" }, "Failed to create request: 200"],
      ["answers 201 with a page", { status: 201, body: HTML }, "Platform returned invalid JSON (status 201)"],
      ["answers 201 with nothing", { status: 201 }, "Platform returned invalid JSON (status 201)"],
      ["resets every connection", "reset", /^Failed to request approval: (socket hang up|read ECONNRESET)$/],
    ];
    for (const [name, answer, error] of lasting) {
      test(`fails with the last cause once the timeout is over, where it always ${name}`, async () => {
        on.onPost(answer);
        const action = `always ${name}`;
        const { tookMs } = await assertFailed(on.stack, action, 2, error);
        assert.ok(posts(on.stack, action).length > 1);
        assert.ok(tookMs < 10_000, `${tookMs} ms`);
      });
    }

    test("waits for an answer hardly longer than the timeout of the request, although a call may take 10 s", async () => {
      const faults = [on.onPost("hang"), on.onList("hang")];
      const started = performance.now();
      const handle = await on.stack.approvals.start("hangs", "", { timeoutSeconds: 2 });
      await untilEvent(on.stack.temporal, handle.workflowId, "activityTaskCompletedEventAttributes");
      const tookMs = performance.now() - started;
      assert.ok(tookMs < 10_000, `${tookMs} ms`);
      for (const fault of faults) fault.remove();
      await on.stack.platform.restart();
      const result = await handle.result();
      assert.ok(result.status === "failed");
      assert.equal(result.error, "Failed to request approval: no complete answer in time");
      await assertClosed(on.stack, result);
    });

    test("fails with the cause where nobody listens, and works again as soon as somebody does", async () => {
      await on.stack.platform.stop({ keepState: true });
      const handle = await on.stack.approvals.start("nobody listens", "", { timeoutSeconds: 2 });
      await untilEvent(on.stack.temporal, handle.workflowId, "activityTaskCompletedEventAttributes");
      await on.stack.platform.start();
      const result = await handle.result();
      assert.ok(result.status === "failed");
      assert.match(result.error, /^Failed to request approval: connect ECONNREFUSED /);
      await assertClosed(on.stack, result);
      await assertGranted(on.stack, "somebody listens again");
    });
  });

  describe("on a platform that is busy", { concurrency: false }, () => {
    const on = useStack();

    const httpDate = (aheadMs: number) => new Date(Date.now() + aheadMs).toUTCString();
    const waits: readonly [string, () => string, number][] = [
      ["a number of seconds", () => "2", 2_000],
      // Both times are whole seconds, so that one of the 3 may be lost.
      ["a date", () => httpDate(3_000), 2_000],
      ["nonsense", () => "soon", 1_000],
      ["a date in the past", () => httpDate(-3_600_000), 1_000],
    ];
    for (const [name, retryAfter, leastMs] of waits) {
      test(`asks again after Retry-After: ${name}`, async () => {
        on.onPost({ status: 429, headers: { "Retry-After": retryAfter() } }, { times: 1 });
        await assertGranted(on.stack, name);
        const gaps = gapsMs(posts(on.stack, name));
        assert.equal(gaps.length, 1);
        assert.ok((gaps[0] ?? 0) >= leastMs - 50, `${gaps[0]} ms`);
      });
    }

    test("waits for no Retry-After beyond the timeout of the request", async () => {
      on.onPost({ status: 429, headers: { "Retry-After": String(365 * 86_400) } });
      const { tookMs } = await assertFailed(on.stack, "a year", 2, "Failed to create request: 429");
      assert.equal(posts(on.stack, "a year").length, 1);
      assert.ok(tookMs >= 1_900 && tookMs < 10_000, `${tookMs} ms`);
    });

    test("fails with a 429 that does not end before the timeout", async () => {
      on.onPost({ status: 429, headers: { "Retry-After": "1" } });
      await assertFailed(on.stack, "always busy", 3, "Failed to create request: 429");
      const { length } = posts(on.stack, "always busy");
      assert.ok(length >= 2 && length <= 4, `${length} attempts`);
    });
  });

  describe("when the answer is lost although the approval was made", { concurrency: false }, () => {
    const on = useStack();

    const lost: readonly [string, FaultAnswer][] = [
      ["a reset", "reset"],
      ["a page instead of JSON", { status: 201, body: HTML }],
      ["an empty body", { status: 201 }],
      ["JSON that breaks off", { status: 201, headers: JSON_TYPE, body: '{"approval_id": "b3' }],
      ["no approval id", { status: 201, headers: JSON_TYPE, body: '{"status": "pending"}' }],
      ["an approval id of another type", { status: 201, headers: JSON_TYPE, body: '{"approval_id": 7}' }],
      ["two approval ids", { status: 201, headers: JSON_TYPE, body: '{"approval_id": "a", "approval_id": "b"}' }],
      ["a 200", { status: 200, headers: JSON_TYPE, body: '{"approval_id": "a"}' }],
      ["a 500", { status: 500 }],
      ["a 504 of a proxy", { status: 504, body: HTML }],
    ];
    for (const [name, answer] of lost) {
      test(`finds it by its task id and makes no second one: ${name}`, async () => {
        on.onPost(answer, { times: 1, when: "after" });
        await assertGranted(on.stack, name);
        assert.equal(posts(on.stack, name).length, 1);
      });
    }

    test("asks for no second one before the list has said that nothing came of the first", async () => {
      on.onPost("reset", { when: "after" });
      const lists = on.onList({ status: 500 });
      const asked = on.stack.approvals.request("blind for a while", "");
      await on.stack.platform.until(() => lists.hits >= 2, "two lists that failed");
      lists.remove();
      const approval = await on.next("blind for a while");
      on.stack.platform.decide(approval.id, "denied", "bob");
      const result = await asked;
      assert.equal(result.status, "denied");
      assert.equal(posts(on.stack, "blind for a while").length, 1);
      await assertClosed(on.stack, result);
    });

    test("fails where the list never answers, and withdraws what carries its task id as soon as it does", async () => {
      on.onPost("reset", { when: "after" });
      const lists = on.onList({ status: 500 });
      const handle = await on.stack.approvals.start("blind to the end", "", { timeoutSeconds: 2 });
      const approval = await on.next("blind to the end");
      await untilEvent(on.stack.temporal, handle.workflowId, "activityTaskCompletedEventAttributes");
      assert.equal(own(on.stack, handle.workflowId)[0]?.status, "pending");
      lists.remove();
      const result = await handle.result();
      assert.ok(result.status === "failed");
      assert.match(result.error, /^Failed to request approval: /);
      assert.deepEqual(
        own(on.stack, handle.workflowId).map((one) => one.id),
        [approval.id],
      );
      await assertClosed(on.stack, result);
    });

    test("withdraws it where the caller gives up meanwhile", async () => {
      on.onPost("reset", { when: "after" });
      const lists = on.onList({ status: 500 });
      const handle = await on.stack.approvals.start("given up", "");
      const approval = await on.next("given up");
      const withdrawn = handle.withdraw();
      await untilEvent(on.stack.temporal, handle.workflowId, "workflowExecutionCancelRequestedEventAttributes");
      lists.remove();
      await withdrawn;
      const result = await handle.result();
      assert.ok(result.status === "cancelled");
      assert.deepEqual([result.approval_id, result.withdrawn], [approval.id, true]);
      const [left, ...others] = own(on.stack, handle.workflowId);
      assert.deepEqual([left?.id, left?.decided_by, others], [approval.id, "countersign:cancelled", []]);
    });
  });

  describe("when two approvals carry its task id", { concurrency: false }, () => {
    const on = useStack();

    /** Makes a second approval of each request that is created, by its age in seconds. */
    function withTwin(
      ageSeconds: number,
      then: (twin: string, approval: PlatformApproval) => void = () => {},
    ): string[] {
      const twins: string[] = [];
      on.stack.platform.onCreate = ({ action, task_id, ...approval }) => {
        const createdAt = new Date(Date.now() - ageSeconds * 1_000);
        const twin = on.stack.platform.create(on.stack.workspaceId, { action, task_id, createdAt });
        twins.push(twin);
        then(twin, { action, task_id, ...approval });
      };
      return twins;
    }

    test("the oldest is adopted, the other is withdrawn and recorded, and the time it has stood counts", async () => {
      const [timeoutSeconds, ageSeconds] = [60, 20];
      const twins = withTwin(ageSeconds);
      on.onPost("reset", { times: 1, when: "after" });
      const handle = await on.stack.approvals.start("twice", "", { timeoutSeconds });
      const posted = await on.next("twice");
      const { deadline } = await until("the deadline", async () => {
        const state = await handle.state();
        return state?.step === "waiting" ? state : undefined;
      });
      const [twin = ""] = twins;
      const createdMs = Date.now() - ageSeconds * 1_000;
      const leftMs = Date.parse(deadline ?? "") - createdMs;
      assert.ok(Math.abs(leftMs - timeoutSeconds * 1_000) < 5_000, `${leftMs} ms from its creation to the deadline`);
      on.stack.platform.decide(twin, "approved", "ana");
      const result = await handle.result();
      assert.ok(result.status === "approved");
      assert.equal(result.approval_id, twin);
      assert.equal(own(on.stack, handle.workflowId).length, 2);
      await assertClosed(on.stack, result);
      const [duplicate, ...others] = on.stack.audit(result.trace_id).filter((line) => line.outcome === "skipped");
      assert.deepEqual(
        [duplicate?.action, duplicate?.["approval_id"], duplicate?.["kept"], others],
        ["create.duplicate", posted.id, twin, []],
      );
    });

    test("one that is older than the timeout is withdrawn at once, without a new wait", async () => {
      withTwin(120);
      on.onPost("reset", { times: 1, when: "after" });
      const started = performance.now();
      const result = await on.stack.approvals.request("too old", "", { timeoutSeconds: 60 });
      assert.ok(result.status === "timed_out");
      assert.ok(performance.now() - started < 20_000);
      await assertClosed(on.stack, result);
    });

    for (const decision of ["approved", "denied"] as const) {
      test(`a twin that is ${decision} before anybody knew of it decides, and the other is withdrawn`, async () => {
        const twins = withTwin(0, (twin) => on.stack.platform.decide(twin, decision, "ana"));
        const result = await on.stack.approvals.request(`twin ${decision}`, "", { timeoutSeconds: 20 });
        assert.ok(result.status === decision);
        assert.equal(result.approval_id, twins[0]);
        const records = on.stack.audit(result.trace_id).map((line) => [line.action, line["approval_id"] === twins[0]]);
        const kept = [
          ["approve", false],
          ["create.duplicate", false],
          ["approve", true],
        ];
        assert.deepEqual(records, kept);
        const left = own(on.stack, result.workflow_id).map((one) => [one.id === twins[0], one.status, one.decided_by]);
        assert.deepEqual(left, [
          [false, "denied", "countersign:duplicate"],
          [true, decision, "ana"],
        ]);
      });
    }

    test("of two decisions the earlier counts, and a later contrary one changes nothing", async () => {
      const twins = withTwin(0, (twin, approval) => {
        const [first, second] = [new Date(Date.now() + 100), new Date(Date.now() + 200)];
        on.stack.platform.decide(twin, "denied", "bob", { decidedAt: first, silent: true });
        on.stack.platform.decide(approval.id, "approved", "ana", { decidedAt: second });
      });
      const result = await on.stack.approvals.request("contrary", "", { timeoutSeconds: 20 });
      assert.ok(result.status === "denied");
      assert.deepEqual([result.approval_id, result.decided_by], [twins[0], "bob"]);
    });

    test("a second POST after a list that hid the first is found out, and one decision stands", async () => {
      on.onPost("reset", { times: 1, when: "after" });
      on.stack.platform.onList = () => [];
      const asked = on.stack.approvals.request("hidden", "", { timeoutSeconds: 20 });
      const first = await on.next("hidden");
      const second = await on.next("hidden");
      on.stack.platform.onList = undefined;
      on.stack.platform.decide(first.id, "approved", "ana");
      const result = await asked;
      assert.ok(result.status === "approved");
      assert.deepEqual([result.approval_id, first.task_id], [first.id, second.task_id]);
      assert.deepEqual(
        own(on.stack, result.workflow_id).map((one) => one.decided_by),
        ["ana", "countersign:duplicate"],
      );
    });
  });
});

test("duplicates are withdrawn on an inbox too, which lists exactly the ids that it is asked for", async (t) => {
  const token = newToken();
  const inbox = await startTestInbox({ agents: [{ workspaceId: "demo", token }], reviewers: [] });
  t.after(() => inbox.stop());
  const platform = createPlatform({ url: inbox.url, token: tokenFrom({ token }) });
  const wanted = { action: "twice", reason: "", task_id: `approval:demo:r#${randomUUID()}` };
  const ids: string[] = [];
  for (let i = 0; i < 2; i++) {
    const created = await platform.create("demo", wanted);
    assert.ok(created.kind === "created");
    ids.push(created.approval_id);
  }
  const [keep = "", duplicate] = ids;
  const withdraw = createWithdrawApproval(platform, createSharedList(platform));
  const input: WithdrawInput = {
    workspace_id: "demo",
    task_id: wanted.task_id,
    approval_ids: [keep],
    keep,
    decided_by: "countersign:duplicate",
  };
  const withdrawal = await new MockActivityEnvironment().run(withdraw, input);
  assert.deepEqual(withdrawal, { withdrawn: true, not_pending: false });
  const { items } = await platform.list("demo");
  assert.deepEqual(
    items.filter((item) => item.status === "pending").map((item) => item.approval_id),
    [keep],
  );
  assert.equal(items.find((item) => item.approval_id === duplicate)?.decided_by, "countersign:duplicate");
});
