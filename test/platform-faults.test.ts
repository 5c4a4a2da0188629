/** The faults of the test platform do what they are named for: a fault that does nothing would make every row beside it pass. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { FrameRule } from "./support/platform-frames.ts";
import { connect, send } from "./support/platform-recording.ts";
import type { Client } from "./support/platform-recording.ts";
import { startPlatform } from "./support/platform.ts";
import type { TestPlatform } from "./support/platform.ts";
import { until } from "./support/until.ts";

const LIST = { method: "GET", path: "/workspaces/ws-1/approvals" };
const WORKSPACE = { "X-Workspace-ID": "ws-1" };

async function platformFor(t: TestContext): Promise<TestPlatform> {
  const platform = await startPlatform({ workspaces: { "ws-1": {} } });
  t.after(() => platform.stop());
  return platform;
}

async function listener(t: TestContext): Promise<{ platform: TestPlatform; client: Client }> {
  const platform = await platformFor(t);
  return { platform, client: await connect(platform.url, WORKSPACE) };
}

const texts = ({ frames }: Client) => frames.flatMap((frame) => ("text" in frame ? frame.text : []));

/** What a client hears of the frames "1", "2" and "3" under a rule. */
async function heard(t: TestContext, rule: FrameRule): Promise<readonly string[]> {
  const { platform, client } = await listener(t);
  const fault = platform.frameFault(rule);
  for (const text of ["1", "2", "3"]) platform.send("ws-1", text);
  await client.ping("end");
  assert.equal(fault.hits, rule.matching === undefined ? (rule.times ?? 3) : 1);
  return texts(client);
}

test("loses a single frame and sends those around it", async (t) => {
  assert.deepEqual(await heard(t, { matching: /^2$/, does: "drop" }), ["1", "3"]);
});

test("sends every frame twice", async (t) => {
  assert.deepEqual(await heard(t, { does: "twice" }), ["1", "1", "2", "2", "3", "3"]);
});

test("sends a frame after the one that followed it", async (t) => {
  assert.deepEqual(await heard(t, { matching: /^1$/, does: "swap" }), ["2", "1", "3"]);
});

test("swaps every two frames that follow each other", async (t) => {
  const { platform, client } = await listener(t);
  platform.frameFault({ does: "swap" });
  for (const text of ["1", "2", "3", "4"]) platform.send("ws-1", text);
  await client.ping("end");
  assert.deepEqual(texts(client), ["2", "1", "4", "3"]);
});

test("sends a frame late, and others before it", async (t) => {
  const { platform, client } = await listener(t);
  platform.frameFault({ times: 1, does: { delayMs: 300 } });
  const from = performance.now();
  for (const text of ["late", "punctual"]) platform.send("ws-1", text);
  await until("both", () => texts(client).length === 2);
  assert.deepEqual(texts(client), ["punctual", "late"]);
  assert.ok(performance.now() - from >= 290);
});

test("lets a frame that waits for the next one go when the rule is removed", async (t) => {
  const { platform, client } = await listener(t);
  const fault = platform.frameFault({ does: "swap" });
  platform.send("ws-1", "1");
  await client.ping("before");
  assert.deepEqual(texts(client), []);
  fault.remove();
  await client.ping("after");
  assert.deepEqual(texts(client), ["1"]);
});

test("spares the frames of every socket but the one that is meant", async (t) => {
  const { platform, client } = await listener(t);
  const other = await connect(platform.url, WORKSPACE);
  const [only] = platform.sockets;
  assert.ok(only !== undefined);
  platform.frameFault({ only, does: "drop" });
  platform.send("ws-1", "1");
  await Promise.all([client.ping("end"), other.ping("end")]);
  assert.deepEqual([texts(client), texts(other)], [[], ["1"]]);
});

test("lets a socket carry only so many bytes a second, pongs among them, and the rest at once when that is lifted", async (t) => {
  const { platform, client } = await listener(t);
  const lift = platform.slowSockets(2_000);
  const from = performance.now();
  platform.send("ws-1", "x".repeat(1_000));
  await client.ping("end");
  const slow_ms = performance.now() - from;
  assert.ok(slow_ms >= 400, `${slow_ms} ms`);
  platform.send("ws-1", "y".repeat(100_000));
  lift();
  await client.ping("again");
  assert.deepEqual(
    texts(client).map((text) => text.length),
    [1_000, 100_000],
  );
  assert.ok(performance.now() - from < slow_ms + 10_000);
});

test("cuts an answer in the middle of its body, once the platform has done what was asked", async (t) => {
  const platform = await platformFor(t);
  platform.fault({ method: "POST", times: 1, when: "after", answer: { cut: 10 } });
  platform.fault({ method: "GET", times: 1, answer: { cut: 10 } });
  const post = { method: "POST", path: LIST.path, body: { action: "deploy" } };
  for (const asked of [post, LIST]) await assert.rejects(send(platform.url, asked), { code: "ECONNRESET" });
  assert.equal(platform.approvals("ws-1").length, 1);
});

test("drips a true answer at so many bytes a second", async (t) => {
  const platform = await platformFor(t);
  platform.create("ws-1", { action: "x".repeat(300) });
  platform.fault({ times: 1, when: "after", answer: { drip: 1_000 } });
  const from = performance.now();
  const { body } = await send(platform.url, LIST);
  assert.equal((body as readonly unknown[]).length, 1);
  assert.ok(performance.now() - from >= 300);
});

test("answers late, and changes its state late, where a delay comes before", async (t) => {
  const platform = await platformFor(t);
  platform.fault({ method: "POST", times: 1, answer: { delayMs: 300 } });
  const from = performance.now();
  const answer = send(platform.url, { method: "POST", path: LIST.path, body: { action: "deploy" } });
  await platform.until(() => platform.requests.length > 0, "the request");
  assert.equal(platform.approvals("ws-1").length, 0);
  assert.equal((await answer).status, 201);
  assert.ok(performance.now() - from >= 290);
});

test("answers a list that is shuffled, doubled, cut short or worse, as a hook says", async (t) => {
  const platform = await platformFor(t);
  for (const action of ["first", "second"]) platform.create("ws-1", { action });
  platform.onList = (items) => [...items.toReversed(), ...items, "?"];
  const { body } = await send(platform.url, LIST);
  const actions = (body as readonly { readonly action?: string }[]).map(({ action }) => action);
  assert.deepEqual(actions, ["first", "second", "second", "first", undefined]);
});
