import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { ApprovalHandle } from "../src/client/handle.ts";
import type { RequestOptions } from "../src/client/prepare-request.ts";
import type { Io } from "../src/cli/io.ts";
import { main } from "../src/cli/main.ts";
import { ApprovalError } from "../src/domain/errors.ts";
import { DECIDED_SIGNAL, REQUEST_APPROVAL } from "../src/domain/names.ts";
import type { ApprovalResult } from "../src/domain/outcome.ts";
import { untilWatch } from "./support/history.ts";
import { startPlatform, type TestPlatform } from "./support/platform.ts";
import type { FaultAnswer } from "./support/platform-faults.ts";
import type { PlatformApproval } from "./support/platform-store.ts";
import { startStack, type Stack } from "./support/stack.ts";
import { until } from "./support/until.ts";

const JSON_TYPE = { "content-type": "application/json; charset=utf-8" };
const HTML = "<!doctype html><title>Welcome</title>";
const BOMB: FaultAnswer = {
  status: 200,
  headers: { ...JSON_TYPE, "content-encoding": "gzip" },
  body: gzipSync(Buffer.alloc(64 * 1024 * 1024, " ")),
};

/** The final record of one lifecycle; there must be exactly one. */
function finalOf(stack: Stack, result: ApprovalResult) {
  const final = stack.audit(result.trace_id).filter((line) => !["requested", "skipped"].includes(line.outcome));
  assert.equal(final.length, 1, JSON.stringify(final));
  return final[0];
}

function next(stack: Stack, action: string): Promise<PlatformApproval> {
  return stack.platform.nextApproval(stack.workspaceId, (approval) => approval.action === action);
}

async function readings(handle: ApprovalHandle): Promise<number> {
  return (await handle.state())?.readings ?? 0;
}

describe("bad input", { concurrency: true }, () => {
  describe("from the agent", { concurrency: false }, () => {
    let stack: Stack;
    before(async () => {
      stack = await startStack({ bridge: false });
    });
    after(() => stack.stop());

    const asText = (value: unknown) => value as string;
    const circle: { [key: string]: never } = {};
    Object.assign(circle, { circle });
    const misuses: readonly [field: string, action: string, reason: string, options: RequestOptions][] = [
      ["action", "", "", {}],
      ["action", " \t\n", "", {}],
      ["action", asText(undefined), "", {}],
      ["action", asText({ toString: () => "drop" }), "", {}],
      ["action", "x".repeat(4 * 1024 - 1), "", {}],
      ["action", "\u{1F600}".repeat(1024), "", {}],
      ["reason", "a", asText(null), {}],
      ["reason", "a", '"'.repeat(4 * 1024), {}],
      ["context", "a", "", { context: [1] as unknown as NonNullable<RequestOptions["context"]> }],
      ["context", "a", "", { context: asText("text") as unknown as NonNullable<RequestOptions["context"]> }],
      ["context", "a", "", { context: { text: "x".repeat(64 * 1024) } }],
      ["context", "a", "", { context: { n: 1n as unknown as number } }],
      ["context", "a", "", { context: circle }],
      ["timeoutSeconds", "a", "", { timeoutSeconds: 0 }],
      ["timeoutSeconds", "a", "", { timeoutSeconds: -1 }],
      ["timeoutSeconds", "a", "", { timeoutSeconds: Number.NaN }],
      ["timeoutSeconds", "a", "", { timeoutSeconds: Number.POSITIVE_INFINITY }],
      ["timeoutSeconds", "a", "", { timeoutSeconds: asText("5") as unknown as number }],
      ["requestId", "a", "", { requestId: "" }],
      ["requestId", "a", "", { requestId: ".." }],
      ["requestId", "a", "", { requestId: "a/b" }],
      ["requestId", "a", "", { requestId: "ü" }],
      ["requestId", "a", "", { requestId: "x".repeat(129) }],
    ];

    test("is refused by the name of its field, and nothing is started", async () => {
      for (const [field, action, reason, options] of misuses) {
        await assert.rejects(stack.approvals.start(action, reason, options), (error) => {
          assert.ok(error instanceof ApprovalError);
          assert.equal(error.code, "ERR_REQUEST_INVALID");
          const [intro, problem] = error.message.split(": ", 2);
          assert.equal(intro, "The request for approval was not started");
          assert.ok(problem?.startsWith(`${field} `), error.message);
          assert.ok(error.message.length < 400, "the input is not repeated");
          return true;
        });
      }
      const good = await stack.approvals.start("good", "");
      const listed = await until("the one good request in the list", async () => {
        const running = await stack.approvals.list();
        return running.length > 0 && running;
      });
      assert.deepEqual(
        listed.map((one) => one.workflow_id),
        [good.workflowId],
      );
      const all = await stack.temporal.workflow.count(
        `WorkflowType='${REQUEST_APPROVAL}' AND TaskQueue='${stack.config.taskQueue}'`,
      );
      assert.equal(all.count, 1);
      await good.withdraw();
    });

    test("is refused with every wrong field at once", async () => {
      const options = {
        requestId: "a b",
        timeoutSeconds: -1,
        context: [] as unknown as NonNullable<RequestOptions["context"]>,
      };
      await assert.rejects(stack.approvals.start("", asText(5), options), (error) => {
        const { message } = error as ApprovalError;
        for (const field of ["action", "reason", "context", "timeoutSeconds", "requestId"]) {
          assert.ok(message.includes(`${field} must`), `${field} in: ${message}`);
        }
        return true;
      });
    });

    test("ends failed with the same words where any other client starts the workflow with it", async () => {
      const started = async (input: object, requestId: string = randomUUID()): Promise<ApprovalResult> => {
        const { workspaceId } = stack;
        const full = { action: "a", reason: "", request_id: requestId, workspace_id: workspaceId, ...input };
        const workflowId = `approval:${workspaceId}:${requestId}`;
        const { taskQueue } = stack.config;
        const options = { workflowId, taskQueue, args: [full] };
        return (await stack.temporal.workflow.execute(REQUEST_APPROVAL, options)) as ApprovalResult;
      };
      const inputs: readonly [field: string, input: object][] = [
        ["action", { action: " " }],
        ["action", { action: "x".repeat(4 * 1024) }],
        ["reason", { reason: 7 }],
        ["context", { context: [] }],
        ["timeout_seconds", { timeout_seconds: -1 }],
        ["timeout_seconds", { timeout_seconds: "soon" }],
        ["request_id", { request_id: "a b" }],
        ["workspace_id", { workspace_id: "../x" }],
      ];
      const before = stack.platform.count("POST", "/approvals");
      const results = await Promise.all(inputs.map(([, input]) => started(input)));
      for (const [at, result] of results.entries()) {
        assert.ok(result.status === "failed");
        const [field = ""] = inputs[at] ?? [];
        assert.ok(result.error.startsWith(`Failed to request approval: ${field} `), result.error);
        assert.equal(finalOf(stack, result)?.["reason"], "submit_failed");
      }
      assert.equal(stack.platform.count("POST", "/approvals"), before);
    });
  });

  describe("in the configuration", { concurrency: false }, () => {
    test("ends a process before it has started, with every problem in one error and no secret", async () => {
      const stack = await startStack({ worker: false, bridge: false });
      try {
        const broken = {
          WORKSPACE_ID: "a b",
          PLATFORM_URL: "ftp://user:hunter2hunter2@platform",
          APPROVAL_TIMEOUT: "soon",
          APPROVAL_POLL_INTERVAL: "0",
          AUDIT_REQUIRED: "perhaps",
          COUNTERSIGN_MAX_STREAMS: "1.5",
          PLATFORM_TOKEN: "secret with blanks",
        };
        for (const command of ["worker", "bridge"]) {
          const err: string[] = [];
          const io: Io = {
            out: () => {},
            err: (text) => void err.push(text),
            colour: { out: false, err: false },
            env: { ...stack.env, ...broken },
            onInterrupt: () => () => {},
            exitCode: 0,
          };
          assert.equal(await main([command], io), 2);
          const text = err.join("\n");
          for (const name of Object.keys(broken)) assert.ok(text.includes(name), `${name} in: ${text}`);
          assert.doesNotMatch(text, /hunter2|secret with/);
        }
        assert.deepEqual(stack.platform.requests, []);
      } finally {
        await stack.stop();
      }
    });

    test("a wrong token is told to the agent and by the watch, is shown nowhere, and mended without a restart", async () => {
      const wrong = "wrong-token-of-this-test";
      const stack = await startStack({ env: { PLATFORM_TOKEN: wrong } });
      try {
        const result = await stack.approvals.request("wrong token", "");
        assert.ok(result.status === "failed");
        assert.equal(result.error, "Failed to create request: 401");
        assert.equal(finalOf(stack, result)?.["error"], result.error);
        const problemsOf = (workers: { readonly [identity: string]: readonly string[] }) =>
          Object.values(workers).flat();
        const told = /^platform: (GET|POST) \S+ answered 401; check the token$/;
        await untilWatch(stack.temporal, stack.workspaceId, "the wrong token", ({ workers }) =>
          problemsOf(workers).some((problem) => told.test(problem)),
        );
        const said = [...stack.log, JSON.stringify(stack.audit()), JSON.stringify(result)].join("\n");
        assert.ok(said.includes("check the token"));
        assert.ok(!said.includes(wrong));

        stack.platform.setToken(stack.workspaceId, wrong);
        const asked = stack.approvals.request("right token", "");
        stack.platform.decide((await next(stack, "right token")).id, "approved", "ana");
        assert.equal((await asked).status, "approved");
        await untilWatch(stack.temporal, stack.workspaceId, "no more problems", ({ workers }) =>
          problemsOf(workers).every((problem) => !problem.startsWith("platform: ")),
        );
      } finally {
        await stack.stop();
      }
    });

    test("roles that cannot be read forbid, with the reason, until they can be read", async () => {
      const stack = await startStack({ bridge: false, env: { APPROVAL_USE_WEBSOCKET: "false" } });
      try {
        const file = join(stack.config.configFolder, "config.yaml");
        const bomb = ["b", "c", "d", "e", "f", "g", "h"].map((name, at) => {
          const aliases = Array(9)
            .fill(`*${"abcdefg".charAt(at)}`)
            .join(", ");
          return `${name}: &${name} [${aliases}]`;
        });
        const unreadable: readonly [string | undefined, RegExp][] = [
          [`a: &a [x]\n${bomb.join("\n")}\nrbac: {roles: [admin]}\n`, /[Aa]lias/],
          ["rbac: {roles: [admin]}\nrbac: {roles: [read-only]}\n", /a key stands twice in one map at line 2/],
          ["rbac: {roles: admin}\n", /rbac\.roles must be a list of strings/],
          ["rbac: [admin", /at line 1/],
          [undefined, /it is not a regular file/],
        ];
        for (const [text, why] of unreadable) {
          if (text === undefined) {
            await rm(file);
            await mkdir(file);
          } else await writeFile(file, text);
          const result = await stack.approvals.request("drop", "");
          assert.ok(result.status === "forbidden", JSON.stringify(result));
          assert.match(result.error, /^RBAC: the configuration cannot be read: [^\n]*config\.yaml: /);
          assert.match(result.error, why);
          const record = finalOf(stack, result);
          assert.deepEqual([record?.action, record?.["error"]], ["rbac.deny", result.error]);
        }
        assert.equal(stack.platform.count("POST", "/approvals"), 0);

        await rm(file, { recursive: true });
        await writeFile(file, "rbac: {roles: [admin]}\n");
        const asked = stack.approvals.request("drop", "");
        stack.platform.decide((await next(stack, "drop")).id, "approved", "ana");
        assert.equal((await asked).status, "approved");
      } finally {
        await stack.stop();
      }
    });
  });

  describe("from the platform", { concurrency: false }, () => {
    let stack: Stack;
    let elsewhere: TestPlatform;
    before(async () => {
      elsewhere = await startPlatform();
      stack = await startStack();
      await stack.platform.untilConnected(stack.workspaceId);
    });
    after(async () => {
      await stack.stop();
      await elsewhere.stop();
    });

    const list = (body: string): FaultAnswer => ({ status: 200, headers: JSON_TYPE, body });
    /** An item that says approved, with something before its end. */
    const granted = ({ id, task_id, created_at }: PlatformApproval, more: string, status = "approved") =>
      `[{"id":"${id}","task_id":"${task_id}","created_at":"${created_at}","status":"${status}","decided_by":"eve"${more}}]`;
    const unreadable: readonly [string, (approval: PlatformApproval) => FaultAnswer][] = [
      ["a page", () => ({ status: 200, headers: { "content-type": "text/html" }, body: HTML })],
      ["nothing", () => list("")],
      ["500 MB", () => ({ stream: 500_000_000 })],
      ["a gzip bomb", () => BOMB],
      ["a redirect to another host", () => ({ status: 302, headers: { location: `${elsewhere.url}/workspaces/x` } })],
      ["an object", (approval) => list(granted(approval, "").slice(1, -1))],
      ["a list that breaks off", (approval) => list(granted(approval, "").slice(0, -1))],
      ["a byte order mark", (approval) => list(`\ufeff${granted(approval, "")}`)],
      ["a key that stands twice", (approval) => list(granted(approval, ',"status":"approved"', "pending"))],
      ["such a key in another spelling", (approval) => list(granted(approval, ',"st\\u0061tus":"approved"', "denied"))],
      ["a key __proto__", (approval) => list(granted(approval, ',"__proto__":{"status":"denied"}'))],
      ["hostile nesting", (approval) => list(granted(approval, `,"x":${"[".repeat(5_000)}${"]".repeat(5_000)}`))],
    ];
    for (const [name, answer] of unreadable) {
      test(`instead of a list, mid-wait, is no decision and loses none: ${name}`, async () => {
        const handle = await stack.approvals.start(name, "", { timeoutSeconds: 120 });
        const approval = await next(stack, name);
        const fault = stack.platform.fault({ method: "GET", path: /\/approvals/, answer: answer(approval) });
        stack.platform.decide(approval.id, "denied", "bob");
        await stack.platform.until(() => stack.platform.count("GET", `ids=${approval.id}`) >= 1, "a reading");
        fault.remove();
        const result = await handle.result();
        assert.ok(result.status === "denied", JSON.stringify(result));
        assert.equal(result.decided_by, "bob");
        assert.equal(finalOf(stack, result)?.outcome, "denied");
        assert.deepEqual(elsewhere.requests, []);
      });
    }

    const spoilt: readonly [string, FaultAnswer][] = [
      ["500 MB", { stream: 500_000_000 }],
      ["a gzip bomb", { ...BOMB, status: 201 }],
      ["2 MiB of blanks", { status: 201, headers: JSON_TYPE, body: " ".repeat(2 * 1024 * 1024) }],
      ["a key __proto__", { status: 201, headers: JSON_TYPE, body: '{"__proto__":{},"approval_id":"forged"}' }],
      ["an approval id that would change the path", { status: 201, headers: JSON_TYPE, body: '{"approval_id":".."}' }],
    ];
    for (const [name, answer] of spoilt) {
      test(`instead of an approval id does not lose the approval: ${name}`, async () => {
        const action = `created with ${name}`;
        stack.platform.fault({ method: "POST", path: /\/approvals$/, times: 1, when: "after", answer });
        const asked = stack.approvals.request(action, "");
        const approval = await next(stack, action);
        stack.platform.decide(approval.id, "approved", "ana");
        const result = await asked;
        assert.ok(result.status === "approved", JSON.stringify(result));
        assert.equal(result.approval_id, approval.id);
        assert.equal(stack.platform.approvals(stack.workspaceId).filter((one) => one.action === action).length, 1);
      });
    }

    test("in one item of a list is no decision of it, whatever the item claims", async () => {
      const spoils: { readonly [action: string]: (item: object) => unknown } = {
        "status escalated": (item) => ({ ...item, status: "escalated" }),
        "status in capitals": (item) => ({ ...item, status: "APPROVED" }),
        "status true": (item) => ({ ...item, status: true }),
        "status in a list": (item) => ({ ...item, status: ["approved"] }),
        "no status": (item) => ({ ...item, status: undefined, decision: "approved" }),
        "an id in a list": (item) => ({ ...item, id: [(item as PlatformApproval).id] }),
        "a number for the decider": (item) => ({ ...item, decided_by: 1 }),
        "an endless decider": (item) => ({ ...item, decided_by: "e".repeat(2_000) }),
        "a number for the time": (item) => ({ ...item, decided_at: 1 }),
        "another workspace": (item) => ({ ...item, workspace_id: randomUUID() }),
        "another task id": (item) => ({ ...item, task_id: `approval:${stack.workspaceId}:other#1` }),
        "a number for the task id": (item) => ({ ...item, task_id: 1 }),
        "an array": (item) => Object.entries(item),
        null: () => null,
      };
      const requests = await Promise.all(
        Object.keys(spoils).map(async (action) => {
          const handle = await stack.approvals.start(action, "", { timeoutSeconds: 120 });
          return { action, handle, approval: await next(stack, action) };
        }),
      );
      stack.platform.onList = (items) =>
        items.map((item) => {
          const spoil = spoils[(item as PlatformApproval).action];
          return spoil === undefined ? item : spoil({ ...item, status: "approved", decided_by: "eve" });
        });
      const states = await Promise.all(
        requests.map(async ({ action, handle, approval }) => {
          const hint = { approval_id: approval.id, status: "approved", decided_by: "eve", source: "manual" };
          await stack.temporal.workflow.getHandle(handle.workflowId).signal(DECIDED_SIGNAL, hint);
          await until(`two readings of ${action}`, async () => (await readings(handle)) >= 2);
          return [action, (await handle.state())?.status];
        }),
      );
      stack.platform.onList = undefined;
      assert.deepEqual(
        states,
        requests.map(({ action }) => [action, undefined]),
      );
      for (const { approval } of requests) stack.platform.decide(approval.id, "denied", "bob");
      for (const { action, handle } of requests) {
        const result = await handle.result();
        assert.equal(result.status === "denied" && result.decided_by, "bob", action);
      }
    });

    test("a decider that no person can be never grants", async () => {
      const deciders: readonly [string, ApprovalResult["status"]][] = [
        ["countersign:timed_out", "timed_out"],
        ["countersign:cancelled", "cancelled"],
        ["COUNTERSIGN:admin", "cancelled"],
        ["  Countersign:admin", "cancelled"],
        ["auto-expired", "expired"],
      ];
      const results = deciders.map(async ([decider, status]) => {
        const action = `approved by ${decider}`;
        const asked = stack.approvals.request(action, "", { timeoutSeconds: 3 });
        stack.platform.decide((await next(stack, action)).id, "approved", decider);
        const result = await asked;
        assert.deepEqual([result.status, result.approved], [status, false]);
        assert.notEqual(finalOf(stack, result)?.outcome, "granted");
      });
      await Promise.all(results);
    });
  });

  for (const minutes of [10, -10]) {
    test(`a platform clock that is ${minutes} minutes off neither refuses a decision in time nor moves the deadline`, async () => {
      const stack = await startStack({ platform: { clockOffsetMs: minutes * 60_000 } });
      try {
        stack.platform.fault({ method: "POST", path: /\/approvals$/, times: 1, when: "after", answer: "reset" });
        // Adopted from the list, so that its age is measured.
        const handle = await stack.approvals.start("adopted", "", { timeoutSeconds: 60 });
        const approval = await next(stack, "adopted");
        const { deadline } = await until("the deadline", async () => {
          const state = await handle.state();
          return state?.step === "waiting" ? state : undefined;
        });
        const leftMs = Date.parse(deadline ?? "") - Date.now();
        assert.ok(leftMs > 40_000 && leftMs <= 62_000, `${leftMs} ms left`);
        stack.platform.decide(approval.id, "approved", "ana");
        assert.equal((await handle.result()).status, "approved");

        const unanswered = await stack.approvals.request("unanswered", "", { timeoutSeconds: 2 });
        assert.equal(unanswered.status === "timed_out" && unanswered.withdrawn, true);
      } finally {
        await stack.stop();
      }
    });
  }
});
