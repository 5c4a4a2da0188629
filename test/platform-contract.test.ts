/** The test platform against recorded traffic of the real one, so that what passes against it means something. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { comparable, connect, readRecording, send } from "./support/platform-recording.ts";
import type { Answered, Client, Exchange, Frame } from "./support/platform-recording.ts";
import { startPlatform } from "./support/platform.ts";
import type { TestPlatform } from "./support/platform.ts";

const outOfScope: { readonly [name: string]: string } = {
  "create workspace without admin token": "tests add workspaces by a call, not over HTTP",
  "create external workspace (admin)": "tests add workspaces by a call, not over HTTP",
  "GET /events/:workspaceId (admin), first 4 of 17": "Countersign does not read the event log",
  "GET /events/:workspaceId with workspace token": "Countersign does not read the event log",
  "SSE stream of child": "Countersign listens on /ws only",
};

const recording = readRecording();
const wanted = recording.http.filter((exchange) => outOfScope[exchange.name] === undefined);
const late = "late workspace client: connected after the decision, waited 1500 ms (no replay)";
const idOf = (workspace: string): string => recording.workspaces[workspace]?.id ?? assert.fail(workspace);

let platform: TestPlatform;
const answers = new Map<string, Answered>();
const clients = new Map<string, Client>();
/** Our approval ids to the recorded ones. */
const ids = new Map<string, string>();

/** What happened between two recorded exchanges, by the name of the second. */
const meanwhile: { readonly [name: string]: () => Promise<void> | void } = {
  "create approval (for decide errors)": () => {
    const huge = platform.approvals(idOf("child")).find((approval) => approval.action.length > 1_000_000);
    assert.ok(platform.decide(huge?.id ?? "", "denied", "cleanup"));
  },
  "create approval (SSE demo)": () => clients.get("canvas client (no headers, no auth)")?.ping("hello"),
  "create approval (auto-expiry demo)": async () => {
    await join(late);
    await clients.get(late)?.ping("end");
    clients.get(late)?.socket?.terminate();
  },
  "list approvals with a revoked token": () => platform.setToken(idOf("root2"), null),
};

before(async () => {
  const tokens = Object.entries(recording.workspaces).map(([name, { id, parent_id }]) => {
    const parent = parent_id === null ? {} : { parent: parent_id };
    return [id, { token: `<token:${name}>`, name, ...parent }] as const;
  });
  platform = await startPlatform({ adminToken: "<admin-token>", workspaces: Object.fromEntries(tokens) });
  for (const { name } of recording.ws) if (name !== late) await join(name);
  for (const exchange of inOrderOfArrival(wanted)) {
    await meanwhile[exchange.name]?.();
    await replay(exchange);
  }
  for (const [name, client] of clients) if (name !== late && client.socket !== undefined) await client.ping("end");
});

after(() => platform.stop());

test("replays every recorded exchange, or says why it does not", () => {
  const recorded = [...recording.http, ...recording.ws, ...recording.sse].map((one) => one.name);
  const replayed = [...answers.keys(), ...clients.keys(), ...Object.keys(outOfScope)];
  assert.equal(new Set(recorded).size, recorded.length);
  assert.deepEqual(replayed.toSorted(), recorded.toSorted());
});

for (const { name, response } of wanted) {
  test(`answers as recorded: ${name}`, () => {
    const ours = answers.get(name) ?? assert.fail("not replayed");
    assert.equal(ours.status, response.status);
    assert.equal(comparable(ours.body, ids), comparable(response.body));
    for (const [header, value] of Object.entries(response.headers ?? {})) {
      const isCounter = header === "x-ratelimit-remaining" || header === "x-ratelimit-reset";
      assert.match(String(ours.headers[header]), isCounter ? /^\d{1,3}$/ : exactly(value), header);
    }
    assert.ok(Math.abs(Date.parse(ours.headers.date ?? "") - Date.now()) < 60_000);
  });
}

for (const { name, handshake, frames } of recording.ws) {
  test(`opens, refuses and tells a socket as recorded: ${name}`, () => {
    const ours = clients.get(name) ?? assert.fail("not replayed");
    assert.equal(ours.handshake.status, handshake.status);
    assert.equal(comparable(ours.handshake.body), comparable(handshake.body));
    for (const [header, value] of Object.entries(handshake.response_headers ?? {})) {
      assert.equal(ours.handshake.headers[header], value);
    }
    assert.deepEqual(ours.frames.filter(isInRecording).map(asText), frames.map(asText));
  });
}

test("speaks the seed's dialect, and needs no token, where it is minimal", async (context) => {
  const minimal = await startPlatform({ minimal: true });
  context.after(() => minimal.stop());
  const client = await connect(minimal.url, { "X-Workspace-ID": "ws-1" });
  const path = "/workspaces/ws-1/approvals";
  const created = await send(minimal.url, { method: "POST", path, body: { action: "deploy", task_id: "t" } });
  const approval_id = minimal.approvals("ws-1")[0]?.id ?? "";
  const pending = await send(minimal.url, { method: "GET", path });
  minimal.decide(approval_id, "approved", "ada");
  await client.ping("end");
  assert.deepEqual([created.status, created.body], [201, { approval_id }]);
  assert.deepEqual(pending.body, [{ id: approval_id, status: "pending", decided_by: null }]);
  const told = { event: "APPROVAL_DECIDED", approval_id, status: "approved", decided_by: "ada" };
  assert.deepEqual(client.frames[0], { text: JSON.stringify(told) });
});

test("lists the newest fifty only, whatever the query asks for", async () => {
  const oldest = platform.create(idOf("other"), { action: "oldest" });
  const newer = Array.from({ length: 50 }, () => platform.create(idOf("other")));
  const path = `/workspaces/${idOf("other")}/approvals?ids=${oldest}`;
  const { body } = await send(platform.url, {
    method: "GET",
    path,
    headers: { Authorization: "Bearer <token:other>" },
  });
  assert.deepEqual(
    (body as { readonly id: string }[]).map((item) => item.id),
    newer.toReversed(),
  );
});

test("expires without an event what is ten minutes old, when somebody lists all that is pending", async () => {
  const old = platform.create(idOf("grand"), { createdAt: new Date(Date.now() - 600_001) });
  const young = platform.create(idOf("grand"), { createdAt: new Date(Date.now() - 590_000) });
  const listener = await connect(platform.url, {});
  const headers = { Authorization: "Bearer <admin-token>" };
  await send(platform.url, { method: "GET", path: "/approvals/pending", headers });
  await listener.ping("end");
  const states = platform.approvals(idOf("grand")).map(({ id, status, decided_by }) => ({ id, status, decided_by }));
  assert.deepEqual(states, [
    { id: old, status: "denied", decided_by: "auto-expired" },
    { id: young, status: "pending", decided_by: null },
  ]);
  assert.deepEqual(listener.frames, [{ control: "pong", data: "end" }]);
});

test("refuses the request that is one too many for its rate limit, and says when to come again", async (context) => {
  const strict = await startPlatform({ rateLimit: 1 });
  context.after(() => strict.stop());
  const asked = { method: "GET", path: "/workspaces/ws-1/approvals" };
  const first = await send(strict.url, asked);
  const second = await send(strict.url, asked);
  assert.deepEqual([first.status, second.status], [401, 429]);
  const retry_after = Number(second.headers["retry-after"]);
  assert.deepEqual(second.body, { error: "rate limit exceeded", retry_after });
  assert.ok(retry_after > 0 && retry_after <= 60);
});

test("has carried out a request whose answer a fault takes away, and not one that a fault meets before", async (context) => {
  const faulty = await startPlatform({ workspaces: { "ws-1": {} } });
  context.after(() => faulty.stop());
  const post = { method: "POST", path: "/workspaces/ws-1/approvals", body: { action: "deploy" } };
  const before = faulty.fault({ method: "POST", times: 1, answer: "reset" });
  faulty.fault({ path: /approvals/, times: 1, when: "after", answer: { status: 502, body: "bad gateway" } });
  await assert.rejects(send(faulty.url, post), { code: "ECONNRESET" });
  const nothing = faulty.approvals("ws-1").length;
  const answer = await send(faulty.url, post);
  const found = await faulty.nextApproval("ws-1", ({ action }) => action === "deploy");
  assert.deepEqual([before.hits, nothing, answer.status, answer.body], [1, 0, 502, "bad gateway"]);
  assert.equal(found.status, "pending");
});

test("cuts its sockets without a close frame when it restarts, and keeps port and approvals", async (context) => {
  const restarted = await startPlatform({ workspaces: { "ws-1": {} } });
  context.after(() => restarted.stop());
  const id = restarted.create("ws-1");
  const client = await connect(restarted.url, { "X-Workspace-ID": "ws-1" });
  const closed = once(client.socket ?? assert.fail("refused"), "close");
  await restarted.restart();
  const again = await connect(restarted.url, { "X-Workspace-ID": "ws-1" });
  await again.ping("end");
  const kept = restarted.approvals("ws-1").map((approval) => approval.id);
  assert.equal((await closed)[0], 1006);
  assert.deepEqual(kept, [id]);
});

test("leaves a frozen socket open, and neither answers nor tells it anything", async (context) => {
  const half = await startPlatform({ workspaces: { "ws-1": {} } });
  context.after(() => half.stop());
  const frozen = await connect(half.url, { "X-Workspace-ID": "ws-1" });
  half.freezeSockets();
  frozen.socket?.ping("anybody?");
  const other = await connect(half.url, { "X-Workspace-ID": "ws-1" });
  half.create("ws-1");
  await other.ping("end");
  const state = frozen.socket?.readyState;
  const heard = frozen.frames.length;
  assert.deepEqual([other.frames.length, state, heard], [2, WebSocket.OPEN, 0]);
});

function asText(frame: Frame): string {
  return "text" in frame ? comparable(JSON.parse(frame.text), ids) : `${frame.control} ${frame.data}`;
}

/** The recording leaves out the frames with the 1 MiB action; "end" is the mark of this test. */
function isInRecording(frame: Frame): boolean {
  return "text" in frame ? frame.text.length < 1_000_000 : frame.data !== "end";
}

function exactly(value: string | number): RegExp {
  return new RegExp(`^${String(value).replaceAll(/[/.*+?^${}()|[\]\\]/g, "\\$&")}$`);
}

async function join(name: string): Promise<void> {
  const recorded = recording.ws.find((socket) => socket.name === name) ?? assert.fail(name);
  clients.set(name, await connect(platform.url, recorded.handshake.headers));
}

async function replay(exchange: Exchange): Promise<void> {
  const path = [...ids].reduce((known, [ours, theirs]) => known.replace(theirs, ours), exchange.request.path);
  const ours = await send(platform.url, { ...exchange.request, path }, { Authorization: "Bearer <token:child>" });
  answers.set(exchange.name, ours);
  if (ours.status !== 201) return;
  const created = (body: unknown): string => (body as { readonly approval_id: string }).approval_id;
  ids.set(created(ours.body), created(exchange.response.body));
}

/** Four decisions were sent at once, and the recording names the winner: ours arrive one by one, that one first. */
function inOrderOfArrival(exchanges: readonly Exchange[]): readonly Exchange[] {
  const isRacer = ({ name }: Exchange): boolean => name.startsWith("concurrent decide");
  const racers = exchanges.filter(isRacer).toSorted((one, other) => one.response.status - other.response.status);
  return exchanges.map((exchange) => (isRacer(exchange) ? (racers.shift() ?? exchange) : exchange));
}
