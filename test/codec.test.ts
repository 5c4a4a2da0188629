/** What Temporal stores, encrypted: the codec by itself, the settings, and approvals on a real server. */
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { defaultPayloadConverter } from "@temporalio/client";
import type { Payload } from "@temporalio/common";
import fc from "fast-check";
import { createApprovals } from "../src/client/approvals.ts";
import { createPayloadCodec } from "../src/codec/payload-codec.ts";
import { parsePayloadKeys, type PayloadKey } from "../src/codec/payload-keys.ts";
import { loadConfig } from "../src/config.ts";
import { DECIDED_SIGNAL } from "../src/domain/names.ts";
import { startCommand } from "./support/command.ts";
import { eventsOf } from "./support/history.ts";
import { startStack, type Stack } from "./support/stack.ts";
import { until } from "./support/until.ts";

const newKey = (id: string): PayloadKey => ({ id, bytes: randomBytes(32) });
const K1 = newKey("k1");
const K2 = newKey("k2");
const ONLY = "COUNTERSIGN_PAYLOAD_KEYS";
const settingOf = (...keys: readonly PayloadKey[]): string =>
  keys.map(({ id, bytes }) => `${id}:${Buffer.from(bytes).toString("base64")}`).join(",");

async function encrypted(value: unknown, ...keys: readonly PayloadKey[]): Promise<Payload> {
  const [payload] = await createPayloadCodec(keys).encode([defaultPayloadConverter.toPayload(value)]);
  assert.ok(payload);
  return payload;
}

async function read(payload: Payload, ...keys: readonly PayloadKey[]): Promise<unknown> {
  const [decoded] = await createPayloadCodec(keys).decode([payload]);
  assert.ok(decoded);
  return defaultPayloadConverter.fromPayload(decoded);
}

describe("the codec", () => {
  test("gives back any value, hides it, and never uses a nonce twice", async () => {
    const nonces = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const payload = await encrypted({ value, mark: "plaintext-marker" }, K1);
        assert.ok(!Buffer.from(payload.data ?? []).includes("plaintext-marker"));
        nonces.add(
          Buffer.from(payload.data ?? [])
            .subarray(0, 12)
            .toString("hex"),
        );
        // JSON has no -0.
        assert.deepEqual(await read(payload, K1), JSON.parse(JSON.stringify({ value, mark: "plaintext-marker" })));
      }),
      { numRuns: 200 },
    );
    assert.equal(nonces.size, 200);
  });

  test("encrypts with the first key, decrypts with all, and leaves what is not encrypted as it is", async () => {
    const old = await encrypted("old", K1);
    const fresh = await encrypted("fresh", K2, K1);
    assert.equal(Buffer.from(fresh.metadata?.["encryption-key-id"] ?? []).toString(), "k2");
    assert.equal(await read(old, K2, K1), "old");
    assert.equal(await read(fresh, K1, K2), "fresh");
    const plain = defaultPayloadConverter.toPayload("plain");
    assert.deepEqual(await createPayloadCodec([]).encode([plain]), [plain]);
    assert.equal(await read(plain, K1), "plain");
    assert.equal(await read(plain), "plain");
  });

  test("refuses what was changed in any byte or cut anywhere, naming the key", async () => {
    const payload = await encrypted({ approved: true }, K1);
    const data = Buffer.from(payload.data ?? []);
    for (let at = 0; at < data.length; at++) {
      const changed = Buffer.from(data);
      changed[at] = (changed[at] as number) ^ 1;
      for (const bad of [changed, data.subarray(0, at)]) {
        await assert.rejects(read({ ...payload, data: bad }, K1), { code: "ERR_CONFIG", message: /the key "k1"/ });
      }
    }
  });

  test("names the key that is missing, and shows nothing hidden in its id", async () => {
    const payload = await encrypted("x", K1);
    const missing = (text: RegExp) => ({ code: "ERR_CONFIG", message: text });
    await assert.rejects(read(payload, K2), missing(/encrypted with the key "k1", and .* has only "k2"; add that key/));
    await assert.rejects(read(payload), missing(/encrypted with the key "k1", and .* is not set here/));
    const odd = { ...payload, metadata: { ...payload.metadata, "encryption-key-id": Buffer.from("\u202ek\n") } };
    await assert.rejects(read(odd, K1), missing(/the key "\\u\{202e\}k\\u\{a\}"/));
    await assert.rejects(read(payload, { id: "k1", bytes: K2.bytes }), missing(/the key "k1" and cannot be decrypted/));
  });

  test("of a worker insists on a key that may still come, for a while, and never on a payload that was changed", async () => {
    const told: string[] = [];
    const onUnreadable = (problem: string) => void told.push(problem);
    const payload = await encrypted("x", K1);
    const decode = async (codec: ReturnType<typeof createPayloadCodec>, one: Payload, workflowId = "approval:w:r") =>
      (await codec.decode([one], { type: "workflow", namespace: "default", workflowId }))[0];
    const patient = createPayloadCodec([K2], { onUnreadable });
    await assert.rejects(decode(patient, payload), { code: "ERR_CONFIG" });
    // The watch goes on: a wake that it cannot read comes of a worker that is wrong itself.
    assert.equal(await decode(patient, payload, "watch:w"), payload);
    assert.equal(await decode(createPayloadCodec([K2], { onUnreadable, insistMs: 0 }), payload), payload);
    assert.equal(await decode(createPayloadCodec([], { onUnreadable }), payload), payload);
    const changed = { ...payload, data: randomBytes(60) };
    assert.equal(await decode(createPayloadCodec([K1], { onUnreadable }), changed), changed);
    assert.equal(told.length, 4);
  });
});

describe("the keys in the configuration", () => {
  const key = Buffer.alloc(32, 7).toString("base64");

  test("are read in their order, from the variable or its file, and are secrets", () => {
    const machine = { exists: () => false, read: () => `b:${key}` };
    assert.deepEqual(
      loadConfig({ [ONLY]: settingOf(K1, K2) }, { machine }).temporal.payloadKeys.map(({ id }) => id),
      ["k1", "k2"],
    );
    const config = loadConfig({ [`${ONLY}_FILE`]: "/keys" }, { machine });
    assert.deepEqual(config.temporal.payloadKeys, [{ id: "b", bytes: Buffer.alloc(32, 7) }]);
    assert.ok(config.secrets.includes(key));
    assert.deepEqual(loadConfig({}, { machine }).temporal.payloadKeys, []);
  });

  test("are refused with what is wrong, and without a byte of them", () => {
    const short = Buffer.alloc(16, 9).toString("base64");
    for (const [text, why] of [
      ["nonsense", "has no id:key in place 1"],
      [`a:${key},:${key}`, "has no id:key in place 2"],
      [`a:${short}`, 'has a key "a" of 16 bytes'],
      [`a:${key},a:${key}`, 'has the id "a" twice'],
      [Array.from({ length: 17 }, (_, at) => `k${at}:${key}`).join(), "has 17 keys"],
    ] as const) {
      assert.deepEqual(parsePayloadKeys(text), { problem: why });
      assert.throws(
        () => loadConfig({ [ONLY]: text }),
        ({ code, message }: { code: string; message: string }) =>
          code === "ERR_CONFIG" &&
          message.includes(`${ONLY} ${why} (not shown)`) &&
          !message.includes(key) &&
          !message.includes(short),
      );
    }
  });

  test("must stand in a file that is named for them: an empty one does not turn encryption off", () => {
    const machine = { exists: () => false, read: () => "\n" };
    assert.throws(() => loadConfig({ [`${ONLY}_FILE`]: "/keys" }, { machine }), /_FILE \/keys gives no keys/);
  });
});

/** All bytes and texts of a raw answer of Temporal, one after the other. */
function dumpOf(value: unknown): string {
  if (typeof value === "string") return `${value}\n`;
  if (value instanceof Uint8Array) return `${Buffer.from(value).toString("latin1")}\n`;
  if (typeof value !== "object" || value === null) return "";
  return Object.entries(value)
    .map(([key, item]) => `${key} ${dumpOf(item)}`)
    .join("");
}

describe("an approval whose payloads are encrypted", () => {
  const mark = `marker-${randomUUID().slice(0, 8)}`;
  let stack: Stack;

  before(async () => {
    stack = await startStack({ env: { [ONLY]: settingOf(K1) } });
  });
  after(() => stack.stop());

  const withKeys = (...keys: readonly PayloadKey[]) =>
    createApprovals(loadConfig({ ...stack.env, [ONLY]: settingOf(...keys) }), { warn: () => {} });

  /** The health of a worker that was told of a key. */
  const complaint = (id: string) =>
    until(
      `a complaint about ${id}`,
      () => stack.log.findLast((line) => line.includes('"part":"payload keys"') && line.includes(`\\"${id}\\"`)),
      20_000,
    );

  test("is decided as any other, and leaves no word of it readable in Temporal", async () => {
    const handle = await stack.approvals.start(`${mark} action`, `${mark} reason`, {
      context: { [`${mark}-key`]: `${mark} context` },
      requestId: mark,
    });
    const approval = await stack.platform.nextApproval(stack.workspaceId);
    assert.equal(approval.action, `${mark} action`);
    await until("the state", async () => (await handle.state()).approval_id === approval.id);
    // One reading fails, so that a failure stands in the history too.
    const fault = stack.platform.fault({ method: "GET", path: /\?ids=/, times: 1, answer: { status: 500 } });
    stack.platform.decide(approval.id, "approved", `${mark} person`);
    const result = await handle.result();
    assert.ok(result.status === "approved" && result.verified);
    assert.equal(result.decided_by, `${mark} person`);

    assert.equal(fault.hits, 1);
    const description = await stack.temporal.workflowService.describeWorkflowExecution({
      namespace: "default",
      execution: { workflowId: handle.workflowId },
    });
    const watch = `watch:${stack.workspaceId}`;
    const dump = dumpOf([await eventsOf(stack.temporal, handle.workflowId), await eventsOf(stack.temporal, watch)]);
    const all = `${dump}${dumpOf(description)}`;
    // The id is clear by design, and shows that the search sees what is clear.
    assert.ok(all.includes(handle.workflowId));
    assert.ok(!all.replaceAll(handle.workflowId, "").includes(mark));
    assert.ok(all.includes("binary/encrypted"));
    assert.ok(all.includes("Encoded failure") && !all.includes("answered 500"));

    // The same question again gets the stored answer: memo and input are compared with the key.
    const again = { context: { [`${mark}-key`]: `${mark} context` }, requestId: mark };
    assert.deepEqual(await stack.approvals.request(`${mark} action`, `${mark} reason`, again), result);
    await assert.rejects(stack.approvals.request("another", "", again), { code: "ERR_REQUEST_MISMATCH" });
  });

  test("is shown to people by the commands, with the same settings", async (t) => {
    const handle = await stack.approvals.start("to be shown", "");
    const approval = await stack.platform.nextApproval(stack.workspaceId);
    const env = { ...stack.env, REVIEWER_TOKEN: stack.token };
    const run = async (env: NodeJS.ProcessEnv, ...args: string[]) => {
      const command = startCommand(t, args, { env });
      return { code: await command.ended, out: command.stdout(), err: command.stderr() };
    };
    const [list, show, wrong] = await Promise.all([
      run(env, "list", "--json"),
      run(env, "show", handle.workflowId, "--json"),
      run({ ...env, [ONLY]: settingOf(K2) }, "show", handle.workflowId),
    ]);
    assert.match(list.out, new RegExp(`"approval_id":"${approval.id}".*"summary":"to be shown"`));
    assert.equal((JSON.parse(show.out) as { request: { action: string } }).request.action, "to be shown");
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.err, /encrypted with the key "k1", and COUNTERSIGN_PAYLOAD_KEYS has only "k2"/);
    assert.equal((await handle.withdraw()).status, "cancelled");
  });

  test("ends failed for a client without its key, which is named, and approved for one that has it", async () => {
    const handle = await stack.approvals.start("read by two", "", { requestId: "two" });
    stack.platform.decide((await stack.platform.nextApproval(stack.workspaceId)).id, "approved", "ana");
    assert.equal((await handle.result()).status, "approved");
    const wrong = await withKeys(K2).request("read by two", "", { requestId: "two" });
    assert.ok(wrong.status === "failed" && !wrong.approved);
    assert.match(wrong.error, /^Failed to request approval: .*encrypted with the key "k1".* has only "k2"/);
    assert.equal((await withKeys(K2, K1).request("read by two", "", { requestId: "two" })).status, "approved");
  });

  test("started in clear by a client of another kind is answered, and a hint by hand is read", async () => {
    const request_id = randomUUID();
    const plain = await stack.temporal.workflow.start("requestApproval", {
      workflowId: `approval:${stack.workspaceId}:${request_id}`,
      taskQueue: stack.config.taskQueue,
      args: [{ action: "in clear", reason: "", request_id, workspace_id: stack.workspaceId }],
    });
    const approval = await stack.platform.nextApproval(stack.workspaceId);
    stack.platform.decide(approval.id, "denied", "ana", { silent: true });
    await plain.signal(DECIDED_SIGNAL, { approval_id: approval.id, status: "denied", source: "manual" });
    const result = await withKeys(K1).request("in clear", "", { requestId: request_id });
    assert.equal(result.status, "denied");
  });

  test("takes no notice of a hint that was forged or changed", async () => {
    const handle = await stack.approvals.start("forged at", "");
    const approval = await stack.platform.nextApproval(stack.workspaceId);
    const hint = { approval_id: approval.id, status: "approved", source: "manual" };
    const genuine = await encrypted(hint, K1);
    const data = Buffer.from(genuine.data ?? []);
    data[20] = (data[20] as number) ^ 1;
    await stack.temporal.workflowService.signalWorkflowExecution({
      namespace: "default",
      workflowExecution: { workflowId: handle.workflowId },
      signalName: DECIDED_SIGNAL,
      input: { payloads: [{ ...genuine, data }] },
    });
    await complaint("k1");
    assert.deepEqual((await handle.state()).hints, { heard: 0, ignored: 1 });
    stack.platform.decide(approval.id, "approved", "ana");
    assert.equal((await handle.result()).status, "approved");
  });
});

describe("a worker with the wrong key", () => {
  let stack: Stack;

  before(async () => {
    stack = await startStack({
      worker: false,
      platform: { minimal: true },
      env: { [ONLY]: settingOf(K1), APPROVAL_TIMEOUT: "300" },
    });
  });
  after(() => stack.stop());

  test("grants nothing and says so, be it another key, other bytes or none; the request goes on when the right one is back", async () => {
    const right = stack.startWorker();
    const handle = await stack.approvals.start("decided under a wrong key", "");
    const approval = await stack.platform.nextApproval(stack.workspaceId);
    await right.stop();
    stack.platform.decide(approval.id, "approved", "ana");

    for (const keys of [settingOf(newKey("k3")), settingOf(newKey("k1")), ""]) {
      const from = stack.log.length;
      const wrong = stack.startWorker({ [ONLY]: keys });
      const problem = await until("the worker's health", () =>
        stack.log.slice(from).find((line) => line.includes('"part":"payload keys"')),
      );
      assert.match(problem, /the key \\"k1\\"/);
      await wrong.stop();
    }
    const { workflowExecutionInfo } = await stack.temporal.workflowService.describeWorkflowExecution({
      namespace: "default",
      execution: { workflowId: handle.workflowId },
    });
    // WORKFLOW_EXECUTION_STATUS_RUNNING of Temporal's API.
    assert.equal(workflowExecutionInfo?.status, 1);
    assert.deepEqual(
      stack.audit().map(({ outcome }) => outcome),
      ["requested"],
    );

    stack.startWorker();
    assert.equal((await handle.result()).status, "approved");
  });
});

test("a rotation loses nothing: every process learns the new key, then encrypts with it, then forgets the old one", async (t) => {
  const stack = await startStack({ worker: false, bridge: false, env: { [ONLY]: settingOf(K1, K2) } });
  t.after(() => stack.stop());
  const handle = await stack.approvals.start("asked under the old key", "");
  const parts = [stack.startWorker(), stack.startBridge()];
  const approval = await stack.platform.nextApproval(stack.workspaceId);
  await until("the state", async () => (await handle.state()).approval_id === approval.id);
  await Promise.all(parts.map((part) => part.stop()));
  const second = { [ONLY]: settingOf(K2, K1) };
  stack.startWorker(second);
  stack.startBridge(second);
  stack.platform.decide(approval.id, "approved", "ana");
  assert.equal((await handle.result()).status, "approved");
  const dump = dumpOf(await eventsOf(stack.temporal, handle.workflowId));
  assert.match(dump, /encryption-key-id k1\n[^]*encryption-key-id k2\n/);
});
