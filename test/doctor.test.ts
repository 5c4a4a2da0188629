/** `countersign doctor` against the test platform, a real Temporal server, and our worker and bridge. */
import assert from "node:assert/strict";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { after, before, describe, it } from "node:test";
import { runCheck } from "../src/cli/doctor-checks.ts";
import type { Check } from "../src/cli/doctor-checks.ts";
import type { Io } from "../src/cli/io.ts";
import { main } from "../src/cli/main.ts";
import { watchWorkflowId } from "../src/domain/names.ts";
import type { FaultAnswer } from "./support/platform-faults.ts";
import { startStack } from "./support/stack.ts";
import type { Stack } from "./support/stack.ts";
import { until } from "./support/until.ts";

const NOWHERE = "127.0.0.1:1";

interface Report {
  readonly code: number;
  readonly text: string;
  readonly checks: ReadonlyMap<string, Check>;
}

/** Runs `doctor --json` in this process with exactly this environment. */
async function doctor(env: NodeJS.ProcessEnv): Promise<Report> {
  const { code, text } = await run(["doctor", "--json"], env);
  const { checks } = JSON.parse(text) as { readonly checks: readonly Check[] };
  return { code, text, checks: new Map(checks.map((check) => [check.name, check])) };
}

async function run(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<{ code: number; text: string }> {
  let text = "";
  const io: Io = {
    out: (more) => void (text += `${more}\n`),
    err: (more) => assert.fail(`on stderr: ${more}`),
    colour: { out: false, err: false },
    env,
    onInterrupt: () => () => {},
    exitCode: 0,
  };
  return { code: await main(argv, io), text };
}

function failedIn({ checks }: Report): readonly string[] {
  return [...checks.values()].filter(({ status }) => status === "failed").map(({ name }) => name);
}

describe("countersign doctor", () => {
  let stack: Stack;
  let asking: Promise<unknown>;
  const asked = new AbortController();

  before(async () => {
    stack = await startStack();
    asking = stack.approvals.request("drop the staging database", "a test", { signal: asked.signal });
    await stack.platform.nextApproval(stack.workspaceId);
    await until("a bridge that tells it holds the socket, and both queues polled", async () => {
      const report = await doctor(stack.env);
      return report.code === 0 && [...report.checks.values()].every(({ status }) => status === "ok");
    });
  });

  after(async () => {
    asked.abort();
    await asking;
    await stack.stop();
  });

  it("finds nothing where all is well, and says of each part what it saw", async () => {
    const { code, text } = await run(["doctor"], stack.env);
    assert.equal(code, 0);
    const seen: readonly (readonly [string, RegExp])[] = [
      ["configuration", /workspace \S+, queue approvals-/],
      ["temporal", /, namespace default, server \d/],
      ["worker", /is polled by \d+@/],
      ["worker health", /no worker reports trouble; decisions come by stream/],
      ["bridge", /-bridge is polled by \d+@/],
      ["bridge health", /holds the socket/],
      ["platform", /lists 1 approvals, 1 of them pending/],
      ["socket", /^ws:.*\/ws opens/],
      ["audit log", /can be written/],
      ["reviewer", /no token is set/],
    ];
    const lines = text.trimEnd().split("\n");
    assert.equal(lines.length, seen.length, text);
    for (const [at, [name, detail]] of seen.entries()) {
      assert.equal(lines[at]?.slice(0, 22).trimEnd(), `ok       ${name}`);
      assert.match(lines[at]?.slice(24) ?? "", detail);
    }
  });

  it("names a wrong token without showing it", async () => {
    const token = "quite-another-token";
    const report = await doctor({ ...stack.env, PLATFORM_TOKEN: token });
    assert.deepEqual(failedIn(report), ["platform", "socket"]);
    assert.equal(report.code, 3);
    const { detail, remedy } = report.checks.get("platform") as Check;
    assert.match(detail, /^GET \S+ answered 401$/);
    assert.match(remedy ?? "", /does not know this token: set PLATFORM_TOKEN/);
    assert.ok(!report.text.includes(token));
  });

  for (const [what, answer, remedy] of [
    ["403", { status: 403 }, /another workspace's.*PLATFORM_ORIGIN/],
    ["404", { status: 404 }, /PLATFORM_URL points at the platform itself/],
    ["a redirect", { status: 302, headers: { location: "/login" } }, /PLATFORM_URL points at the platform itself/],
    ["a page", { status: 200, body: "<!doctype html>" }, /something else answers there/],
    ["500", { status: 500 }, /look at the platform's log/],
  ] as const satisfies readonly (readonly [string, FaultAnswer, RegExp])[]) {
    it(`knows what to do where the platform answers the list with ${what}`, async () => {
      const fault = stack.platform.fault({ method: "GET", path: /\/approvals/, answer });
      const report = await doctor(stack.env).finally(() => fault.remove());
      assert.ok(failedIn(report).includes("platform"));
      assert.equal(report.code, 3);
      assert.match(report.checks.get("platform")?.remedy ?? "", remedy);
    });
  }

  it("tells a platform that cannot be reached, by list and by socket", async () => {
    const report = await doctor({ ...stack.env, PLATFORM_URL: `http://${NOWHERE}` });
    assert.deepEqual(failedIn(report), ["platform", "socket"]);
    assert.match(report.checks.get("platform")?.remedy ?? "", /start the platform, or set PLATFORM_URL/);
    assert.match(report.checks.get("socket")?.remedy ?? "", /APPROVAL_USE_WEBSOCKET=false/);
  });

  it("misses no bridge and no socket where none is wanted", async () => {
    const unwanted = { PLATFORM_URL: stack.platform.url, APPROVAL_USE_WEBSOCKET: "false" };
    const queue = `${stack.config.taskQueue}-2`;
    const report = await doctor({ ...stack.env, ...unwanted, COUNTERSIGN_TASK_QUEUE: queue });
    assert.deepEqual(failedIn(report), ["worker"]);
  });

  it("tells that Temporal is down, and checks the rest all the same", async () => {
    const report = await doctor({ ...stack.env, TEMPORAL_ADDRESS: NOWHERE });
    assert.deepEqual(failedIn(report), ["temporal"]);
    assert.equal(report.code, 3);
    assert.match(report.checks.get("temporal")?.remedy ?? "", /TEMPORAL_ADDRESS/);
    for (const name of ["worker", "worker health", "bridge", "bridge health"]) {
      assert.match(report.checks.get(name)?.detail ?? "", /^not checked: /, name);
    }
    assert.equal(report.checks.get("platform")?.status, "ok");
  });

  it("tells a namespace that is not there", async () => {
    const { checks } = await doctor({ ...stack.env, TEMPORAL_NAMESPACE: "elsewhere" });
    assert.match(checks.get("temporal")?.detail ?? "", /has no namespace elsewhere$/);
    assert.match(checks.get("temporal")?.remedy ?? "", /TEMPORAL_NAMESPACE/);
  });

  it("tells that no worker and no bridge polls, and how to start them", async () => {
    const report = await doctor({ ...stack.env, COUNTERSIGN_TASK_QUEUE: `${stack.config.taskQueue}-2` });
    assert.deepEqual(failedIn(report), ["worker", "bridge"]);
    assert.equal(report.checks.get("worker")?.remedy, "start one: countersign worker");
    assert.match(report.checks.get("bridge")?.remedy ?? "", /^start one: countersign bridge, or set /);
  });

  it("passes on what a living worker says is wrong with it, and nothing of a dead one", async () => {
    const watch = stack.temporal.workflow.getHandle(watchWorkflowId(stack.workspaceId));
    const living = `${process.pid}@${hostname()}`;
    const wake = { poll_interval_seconds: 1, use_websocket: true, heartbeat_seconds: 5 };
    const tell = (identity: string, problems: readonly string[]) =>
      watch.signal("wake", { ...wake, worker: { identity, problems } });
    await tell("1@elsewhere", ["audit: the disk there is full"]);
    await tell(living, ["audit: the disk here is full"]);
    const report = await doctor(stack.env);
    await tell(living, []);
    assert.deepEqual(failedIn(report), ["worker health"]);
    assert.equal(
      report.checks.get("worker health")?.detail,
      `${living}: audit: the disk here is full; decisions come by stream`,
    );
  });

  it("passes on why the bridge holds no socket", async () => {
    stack.platform.refuseSocket = 503;
    stack.platform.dropSockets();
    try {
      const bridge = await until("the bridge's heartbeat with its problem", async () => {
        const check = (await doctor(stack.env)).checks.get("bridge health");
        return check?.status === "failed" && check;
      });
      assert.match(bridge.detail, /decisions come by sweep: socket: WebSocket \S+ was refused with 503/);
    } finally {
      stack.platform.refuseSocket = undefined;
    }
  });

  it("tells an audit log that cannot be written, as a warning where it is not required", async () => {
    const env = { ...stack.env, AUDIT_LOG_PATH: dirname(stack.config.audit.path) };
    const required = (await doctor(env)).checks.get("audit log");
    assert.equal(required?.status, "failed");
    assert.match(required?.remedy ?? "", /AUDIT_LOG_PATH/);
    const optional = (await doctor({ ...env, AUDIT_REQUIRED: "false" })).checks.get("audit log");
    assert.equal(optional?.status, "warning");
  });

  it("ends with 2 where only the configuration is wrong", async () => {
    const { WORKSPACE_ID: _, ...without } = stack.env;
    const missing = await doctor(without);
    assert.equal(missing.code, 2);
    assert.match(missing.checks.get("configuration")?.detail ?? "", /^WORKSPACE_ID is not set$/);
    const wrong = await doctor({ ...stack.env, APPROVAL_TIMEOUT: "soon" });
    assert.equal(wrong.code, 2);
    assert.match(wrong.checks.get("configuration")?.detail ?? "", /APPROVAL_TIMEOUT is "soon"/);
  });
});

describe("a check of the doctor", () => {
  it("has failed where it takes too long, and is told to end", async () => {
    let told: AbortSignal | undefined;
    const check = await runCheck(
      "slow",
      (signal) => {
        told = signal;
        return new Promise(() => {});
      },
      20,
    );
    assert.equal(check.status, "failed");
    assert.equal(check.detail, "no answer within 0.02 s");
    assert.equal(told?.aborted, true);
  });
});
