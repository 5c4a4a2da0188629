import assert from "node:assert/strict";
import { on, once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { after, before, test, type TestContext } from "node:test";
import * as fc from "fast-check";
import { WebSocket, type ClientOptions } from "ws";
import type { ApprovalError } from "../src/domain/errors.ts";
import { LIMITS, problemsOf } from "../src/domain/request.ts";
import { startInbox, type InboxOptions } from "../src/inbox/server.ts";
import { openStorage, type Storage } from "../src/inbox/storage.ts";
import type { Approval, ApprovalStore } from "../src/inbox/store.ts";
import { newToken, type Caller } from "../src/inbox/tokens.ts";

const AGENT = newToken();
const OTHER_AGENT = newToken();
const ALICE = newToken();
const BOB = newToken();
const TOKENS = {
  agents: [
    { workspaceId: "demo", token: AGENT },
    { workspaceId: "other", token: OTHER_AGENT },
  ],
  reviewers: [
    { name: "alice", token: ALICE },
    { name: "bob", token: BOB },
  ],
};
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const APPROVALS = "/workspaces/demo/approvals";

let storage: Storage;

before(async () => {
  storage = await openStorage({ memory: true });
  await storage.tokens.ensure(TOKENS, "test");
});

after(() => storage.close());

test("keeps what an agent asks and lists it with the platform's keys", async (t) => {
  const inbox = await open(t, { now: () => Date.UTC(2026, 10, 22, 11, 43, 18, 404) + 0.374 });
  const created = await inbox.call("POST", APPROVALS, AGENT, {
    action: "drop db",
    reason: "stale",
    task_id: "t-1",
    context: { n: 1 },
    extra: 0,
  });
  assert.equal(created.status, 201);
  const { approval_id, ...rest } = created.body as Created;
  assert.match(approval_id, UUID);
  assert.deepEqual(rest, { status: "pending" });
  assert.equal(created.headers.get("date"), "Sun, 22 Nov 2026 11:43:18 GMT");
  assert.deepEqual(await inbox.list(), [
    {
      id: approval_id,
      task_id: "t-1",
      action: "drop db",
      reason: "stale",
      status: "pending",
      decided_by: null,
      decided_at: null,
      created_at: "2026-11-22T11:43:18.404374Z",
    },
  ]);
});

test("takes absent and null fields for empty ones", async (t) => {
  const inbox = await open(t);
  await inbox.create({ action: "a", reason: null, task_id: null, context: null });
  await inbox.create({ action: " " });
  const texts = (await inbox.list()).map(({ action, reason, task_id }) => [action, reason, task_id]);
  assert.deepEqual(texts, [
    [" ", "", ""],
    ["a", "", ""],
  ]);
});

test("lists the newest 50 of the workspace, newest first", async (t) => {
  const inbox = await open(t);
  for (let n = 0; n < 52; n++) await inbox.create({ action: `act ${n}` });
  const actions = (await inbox.list()).map(({ action }) => action);
  assert.deepEqual(
    actions,
    Array.from({ length: 50 }, (_, n) => `act ${51 - n}`),
  );
  assert.deepEqual((await inbox.call("GET", "/workspaces/unheard-of/approvals", ALICE)).body, []);
});

test("lists beside the newest 50 the 150 decided last, for those who were away", async (t) => {
  let time = 0;
  const inbox = await open(t, { now: () => ++time });
  const ids: string[] = [];
  for (let n = 0; n < 60; n++) ids.push(await inbox.create({ action: `act ${n}` }));
  for (const n of [7, 3]) await inbox.decide(ids[n] as string, ALICE, { decision: "approved" });
  const places = (await inbox.list()).map(({ id }) => ids.indexOf(id));
  assert.deepEqual(places, [...Array.from({ length: 50 }, (_, n) => 59 - n), 7, 3]);
});

test("answers ?ids= with exactly those of the workspace, however old", async (t) => {
  const inbox = await open(t);
  const oldest = await inbox.create({ action: "oldest" });
  const second = await inbox.create({ action: "second" });
  const foreign = await inbox.create({ action: "foreign" }, "other", OTHER_AGENT);
  for (let n = 0; n < 60; n++) await inbox.create({ action: "newer" });
  const ask = async (ids: string) => (await inbox.list(`?ids=${ids}`)).map(({ action }) => action);
  assert.deepEqual(await ask(`${oldest},${foreign},unknown,${second},${oldest}`), ["second", "oldest"]);
  assert.deepEqual(await ask(`${oldest}&ids=${second}`), ["second", "oldest"]);
  assert.deepEqual(await ask(""), []);
});

test("answers ?ids= of 200 approvals and refuses 201", async (t) => {
  const inbox = await open(t);
  const ids: string[] = [];
  for (let n = 0; n < 201; n++) ids.push(await inbox.create({ action: `act ${n}` }));
  assert.equal((await inbox.list(`?ids=${ids.slice(1).join(",")}`)).length, 200);
  const over = await inbox.call("GET", `${APPROVALS}?ids=${ids.join(",")}`, AGENT);
  assert.deepEqual([over.status, over.body], [400, { error: "ids names 201 approvals, the limit is 200" }]);
});

test("keeps the first decision when several arrive", async (t) => {
  const inbox = await open(t);
  const id = await inbox.create({ action: "race" });
  const answers = await Promise.all(
    [ALICE, BOB, ALICE, BOB].map((token, n) =>
      inbox.decide(id, token, { decision: n % 2 === 0 ? "approved" : "denied" }),
    ),
  );
  const won = answers.filter(({ status }) => status === 200);
  assert.equal(won.length, 1);
  for (const { status, body } of answers.filter((answer) => answer !== won[0])) {
    assert.deepEqual([status, body], [404, { error: "approval not found or already decided" }]);
  }
  assert.deepEqual(won[0]?.body, { status: (await inbox.item(id)).status, approval_id: id });
});

test("names the reviewer by the token, whatever the body claims", async (t) => {
  const inbox = await open(t, { now: () => Date.UTC(2026, 0, 1) });
  const claims = [undefined, "", "bob", "countersign:timed_out", "auto-expired"];
  for (const decided_by of claims) {
    const id = await inbox.create({ action: "act" });
    assert.equal((await inbox.decide(id, ALICE, { decision: "approved", decided_by })).status, 200);
    const { status, decided_by: kept, decided_at } = await inbox.item(id);
    assert.deepEqual([status, kept, decided_at], ["approved", "alice", "2026-01-01T00:00:00.000000Z"]);
  }
});

test("carries a decision's comment into the list, up to 2000 characters", async (t) => {
  const inbox = await open(t);
  const id = await inbox.create({ action: "act" });
  const long = await inbox.decide(id, ALICE, { decision: "denied", comment: "x".repeat(2001) });
  assert.deepEqual([long.status, long.body], [400, { error: "comment has 2001 characters, the limit is 2000" }]);
  assert.equal((await inbox.decide(id, ALICE, { decision: "denied", comment: "x".repeat(2000) })).status, 200);
  assert.equal((await inbox.item(id)).comment, "x".repeat(2000));
  const silent = await inbox.create({ action: "act" });
  await inbox.decide(silent, ALICE, { decision: "denied", comment: "" });
  assert.equal("comment" in (await inbox.item(silent)), false);
});

test("lets an agent withdraw its own workspace's approval and decide nothing else", async (t) => {
  const inbox = await open(t);
  const id = await inbox.create({ action: "act" });
  const refused = [
    { decision: "approved" },
    { decision: "approved", decided_by: "countersign:cancelled" },
    { decision: "approved", decided_by: "alice" },
    { decision: "denied" },
    { decision: "denied", decided_by: "alice" },
    { decision: "denied", decided_by: "auto-expired" },
    { decision: "denied", decided_by: "Countersign:cancelled" },
    { decision: "denied", decided_by: "countersign:" },
    { decision: "denied", decided_by: "countersign:x, approved by alice" },
  ];
  for (const body of refused) {
    const answer = await inbox.decide(id, AGENT, body);
    assert.equal(answer.status, 403, JSON.stringify(body));
    assert.match((answer.body as Problem).error, /only withdraw.*use a reviewer's token/);
  }
  const withdrawal = { decision: "denied", decided_by: "countersign:cancelled" };
  const foreign = await inbox.decide(id, OTHER_AGENT, withdrawal);
  assert.deepEqual([foreign.status, foreign.body], [401, { error: "invalid workspace auth token" }]);
  assert.equal(
    (await inbox.call("POST", `/workspaces/other/approvals/${id}/decide`, OTHER_AGENT, withdrawal)).status,
    404,
  );
  assert.equal((await inbox.item(id)).status, "pending");

  assert.equal((await inbox.decide(id, AGENT, withdrawal)).status, 200);
  const { status, decided_by } = await inbox.item(id);
  assert.deepEqual([status, decided_by], ["denied", "countersign:cancelled"]);
});

test("decides nothing through another workspace's path or for an unknown id", async (t) => {
  const inbox = await open(t);
  const id = await inbox.create({ action: "act" });
  for (const path of [`/workspaces/other/approvals/${id}/decide`, `${APPROVALS}/nope/decide`]) {
    const answer = await inbox.call("POST", path, ALICE, { decision: "approved" });
    assert.deepEqual([answer.status, answer.body], [404, { error: "approval not found or already decided" }]);
  }
  assert.equal((await inbox.item(id)).status, "pending");
});

test("refuses a caller without the right token as the platform does", async (t) => {
  const inbox = await open(t);
  const id = await inbox.create({ action: "act" });
  const missing = { error: "missing workspace auth token" };
  const invalid = { error: "invalid workspace auth token" };
  const routes = [
    ["POST", APPROVALS],
    ["GET", APPROVALS],
    ["POST", `${APPROVALS}/${id}/decide`],
  ] as const;
  for (const [method, path] of routes) {
    for (const [authorization, body] of [
      [undefined, missing],
      [`bearer ${AGENT}`, missing],
      [AGENT, missing],
      ["Bearer wrong", invalid],
      [`Bearer ${OTHER_AGENT}`, invalid],
      [`Bearer ${AGENT} `.repeat(2).trim(), invalid],
    ] as const) {
      const answer = await raw(inbox.port, method, path, authorization === undefined ? {} : { authorization });
      assert.deepEqual([answer.status, JSON.parse(answer.text)], [401, body], `${method} ${path} ${authorization}`);
    }
  }
  const pending = async (token?: string) => (await inbox.call("GET", "/approvals/pending", token)).body;
  assert.deepEqual(await pending(), { error: "admin auth required" });
  assert.deepEqual(await pending(AGENT), { error: "invalid admin auth token" });
  const asking = await inbox.call("POST", APPROVALS, ALICE, { action: "act" });
  assert.equal(asking.status, 403);
  assert.match((asking.body as Problem).error, /create with the agent token/);
  assert.equal((await inbox.list()).length, 1);
});

test("shows a reviewer what is pending in every workspace, newest first, and nothing decided", async (t) => {
  const inbox = await open(t, { now: () => Date.UTC(2026, 0, 1) });
  const decided = await inbox.create({ action: "decided" });
  const first = await inbox.create({ action: "first", reason: "r" });
  const second = await inbox.create({ action: "second" }, "other", OTHER_AGENT);
  await inbox.decide(decided, BOB, { decision: "denied" });
  const common = { status: "pending", created_at: "2026-01-01T00:00:00.000000Z" };
  assert.deepEqual((await inbox.call("GET", "/approvals/pending", ALICE)).body, [
    { id: second, workspace_id: "other", workspace_name: "other", action: "second", reason: "", ...common },
    { id: first, workspace_id: "demo", workspace_name: "demo", action: "first", reason: "r", ...common },
  ]);
});

test("refuses a body that is not of the documented form", async (t) => {
  const inbox = await open(t);
  const id = await inbox.create({ action: "act" });
  const send = (path: string, body: string | Buffer, type = "application/json") =>
    raw(inbox.port, "POST", path, { authorization: `Bearer ${AGENT}`, "content-type": type }, body);
  const creates = [
    "",
    "{",
    "null",
    "[]",
    '"x"',
    "{}",
    '{"action":""}',
    '{"action":5}',
    '{"action":null}',
    '{"action":"a","reason":1}',
    '{"action":"a","task_id":{}}',
    '{"action":"a","context":[1]}',
    '{"action":"a","context":"x"}',
    '\ufeff{"action":"a"}',
    '{"action":"a","action":"b"}',
  ];
  for (const body of [...creates, Buffer.from([...Buffer.from('{"action":"'), 0xff, ...Buffer.from('"}')])]) {
    const answer = await send(APPROVALS, body);
    assert.deepEqual([answer.status, answer.text], [400, '{"error":"invalid request body"}'], String(body));
  }
  const decides = [
    '{"decision":"denied","decision":"approved","decided_by":"countersign:x"}',
    "",
    "{}",
    '{"decision":""}',
    '{"decision":true}',
    '{"decision":"denied","decided_by":1}',
    '{"decision":"denied","comment":[]}',
  ];
  for (const body of decides) {
    const answer = await send(`${APPROVALS}/${id}/decide`, body);
    assert.deepEqual([answer.status, answer.text], [400, '{"error":"invalid request body"}'], body);
  }
  for (const decision of ["escalated", "APPROVED", "pending"]) {
    const answer = await send(`${APPROVALS}/${id}/decide`, JSON.stringify({ decision }));
    assert.deepEqual(
      [answer.status, (JSON.parse(answer.text) as Problem).error],
      [400, "decision must be 'approved' or 'denied'"],
    );
  }
  assert.equal((await send(APPROVALS, "action=a", "application/x-www-form-urlencoded")).status, 415);
  assert.equal((await inbox.list()).length, 1);
  assert.equal((await inbox.item(id)).status, "pending");
});

test("takes the largest legal request and refuses a body over 128 KiB", async (t) => {
  const inbox = await open(t);
  // A text whose JSON has exactly this many bytes.
  const fill = (bytes: number) => {
    const repeats = Math.floor((bytes - 2) / 19);
    return '😀"\\\u0001\u2028é'.repeat(repeats) + "x".repeat(bytes - 2 - 19 * repeats);
  };
  const texts = { action: fill(LIMITS.action), reason: fill(LIMITS.reason) };
  const context = { text: fill(LIMITS.context - '{"text":}'.length) };
  const ids = { workspace_id: "demo", request_id: "r".repeat(128) };
  assert.deepEqual(problemsOf({ ...texts, context, ...ids }), []);
  assert.equal(
    problemsOf({
      action: `${texts.action}x`,
      reason: `${texts.reason}x`,
      context: { text: `${context.text}x` },
      ...ids,
    }).length,
    3,
  );

  const task_id = `approval:${"w".repeat(128)}:${"r".repeat(128)}#${"0".repeat(36)}`;
  const { action, reason, task_id: kept } = await inbox.item(await inbox.create({ ...texts, context, task_id }));
  assert.deepEqual({ action, reason, kept }, { ...texts, kept: task_id });
  const over = await inbox.call("POST", APPROVALS, AGENT, { action: "x".repeat(128 * 1024) });
  assert.deepEqual([over.status, over.body], [413, { error: "the request body is over 131072 bytes; shorten it" }]);
});

test("refuses the 1,001st pending approval of a workspace until one is decided", async (t) => {
  const inbox = await open(t);
  const id = await inbox.create({ action: "act" });
  for (let n = 1; n < 1000; n++) await storage.approvals.create(approval(`filler-${n}`), 1000);
  const over = await inbox.call("POST", APPROVALS, AGENT, { action: "act" });
  assert.equal(over.status, 429);
  assert.equal(over.headers.get("retry-after"), "10");
  assert.deepEqual(over.body, { error: "this workspace has 1000 pending approvals; decide or withdraw some first" });
  await inbox.create({ action: "act" }, "other", OTHER_AGENT);
  await inbox.decide(id, ALICE, { decision: "denied" });
  await inbox.create({ action: "act" });
});

test("has no other route, and says so in the platform's words", async (t) => {
  const inbox = await open(t);
  const id = await inbox.create({ action: "act" });
  for (const [method, path] of [
    ["GET", "/nowhere"],
    ["PUT", `${APPROVALS}/${id}`],
    ["DELETE", `${APPROVALS}/${id}`],
    ["GET", "/ws"],
    ["HEAD", APPROVALS],
  ] as const) {
    const { status, text } = await raw(inbox.port, method, path, { authorization: `Bearer ${AGENT}` });
    assert.deepEqual([status, text], [404, method === "HEAD" ? "" : "404 page not found"], `${method} ${path}`);
  }
});

test("answers only to its own loopback names, on every route", async (t) => {
  const inbox = await open(t);
  const { port } = inbox;
  const statuses = async (headers: Headers_) => {
    const authorization = `Bearer ${ALICE}`;
    const { status: rest } = await raw(port, "GET", APPROVALS, { authorization, ...headers });
    const { status: nowhere } = await raw(port, "GET", "/nowhere", headers);
    return [rest, nowhere, await handshake(port, { Authorization: authorization, ...headers })];
  };
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LocalHost:${port}`, `[::1]:${port}`]) {
    assert.deepEqual(await statuses({ host }), [200, 404, 101], host);
  }
  for (const host of [
    "localhost",
    `localhost:${port + 1}`,
    `evil.example:${port}`,
    `localhost.evil.example:${port}`,
    `a@localhost:${port}`,
  ]) {
    assert.deepEqual(await statuses({ host }), [421, 421, 421], host);
  }
  for (const origin of [`http://127.0.0.1:${port}`, `http://localhost:${port}`]) {
    assert.deepEqual(await statuses({ origin }), [200, 404, 101], origin);
  }
  for (const origin of [
    "null",
    "http://evil.example",
    `https://localhost:${port}`,
    "http://localhost",
    `http://localhost:${port}.evil.example`,
  ]) {
    assert.deepEqual(await statuses({ origin }), [403, 403, 403], origin);
  }
});

test("refuses a request with no Host header, an empty one or two", async (t) => {
  const { port } = await open(t);
  const own = `Host: 127.0.0.1:${port}\r\n`;
  for (const [version, hosts, expected] of [
    ["1.0", own, /^HTTP\/1\.1 404 /],
    ["1.0", "", /^HTTP\/1\.1 421 /],
    ["1.1", "Host: \r\n", /^HTTP\/1\.1 421 /],
    ["1.1", `${own}Host: evil.example\r\n`, /^HTTP\/1\.1 4(00|21) /],
  ] as const) {
    const socket = connect(port, "127.0.0.1");
    socket.write(`GET /nowhere HTTP/${version}\r\n${hosts}Connection: close\r\n\r\n`);
    let answer = "";
    for await (const chunk of socket) answer += String(chunk);
    assert.match(answer, expected, JSON.stringify(hosts));
  }
});

test("tells a workspace of requests and decisions in the platform's dialect", async (t) => {
  const inbox = await open(t, { now: () => Date.UTC(2026, 0, 1) });
  const socket = await listen(t, inbox.port, { "X-Workspace-ID": "demo", Authorization: `Bearer ${AGENT}` });
  const envelope = { workspace_id: "demo", timestamp: "2026-01-01T00:00:00.000000Z" };
  const asked = { action: "act", reason: "why", task_id: "t-1" };
  for (const decision of ["approved", "denied"]) {
    const id = await inbox.create(asked);
    await inbox.decide(id, ALICE, { decision });
    assert.deepEqual(await socket.next(), {
      event: "APPROVAL_REQUESTED",
      ...envelope,
      payload: { ...asked, approval_id: id },
    });
    assert.deepEqual(await socket.next(), {
      event: `APPROVAL_${decision.toUpperCase()}`,
      ...envelope,
      payload: { approval_id: id, decided_by: "alice", decision },
    });
  }
});

test("lets an agent hear its own workspace only, and a reviewer all or the named one", async (t) => {
  const { port, create } = await open(t);
  const agent = await listen(t, port, { "X-Workspace-ID": "demo", Authorization: `Bearer ${AGENT}` });
  const named = await listen(t, port, { "X-Workspace-ID": "demo", Authorization: `Bearer ${ALICE}` });
  const all = await listen(t, port, { Authorization: `Bearer ${ALICE}` });
  await create({ action: "foreign" }, "other", OTHER_AGENT);
  await create({ action: "own" });
  const heard = async (socket: typeof all) => (await socket.next()).payload.action;
  assert.equal(await heard(agent), "own");
  assert.equal(await heard(named), "own");
  assert.deepEqual([await heard(all), await heard(all)], ["foreign", "own"]);
});

test("opens no socket without the workspace's own token", async (t) => {
  const { port } = await open(t);
  const workspace = { "X-Workspace-ID": "demo" };
  assert.equal(await handshake(port, {}), 401);
  assert.equal(await handshake(port, workspace), 401);
  assert.equal(await handshake(port, { ...workspace, Authorization: "Bearer wrong" }), 401);
  assert.equal(await handshake(port, { ...workspace, Authorization: `Bearer ${OTHER_AGENT}` }), 401);
  assert.equal(await handshake(port, { Authorization: `Bearer ${AGENT}` }), 401);
  assert.equal(await handshake(port, { ...workspace, Authorization: `Bearer ${AGENT}` }, "/other"), 404);
  assert.equal(await handshake(port, { ...workspace, Authorization: `Bearer ${AGENT}` }), 101);
});

test("tells of a decision whose decider hung up before the answer", async (t) => {
  const store = storage.approvals;
  const gate = latch();
  const reached = latch();
  const decide: ApprovalStore["decide"] = async (...args) => {
    reached.open();
    await gate.opened;
    return store.decide(...args);
  };
  const inbox = await open(t, { storage: { ...storage, approvals: { ...store, decide } } });
  const id = await inbox.create({ action: "act" });
  const socket = await listen(t, inbox.port, { Authorization: `Bearer ${BOB}` });
  const decider = httpRequest({
    port: inbox.port,
    method: "POST",
    path: `${APPROVALS}/${id}/decide`,
    headers: { authorization: `Bearer ${ALICE}`, "content-type": "application/json" },
  });
  const gone = new Promise((resolve) => decider.on("error", resolve));
  decider.end('{"decision":"approved"}');
  await reached.opened;
  decider.destroy();
  await gone;
  gate.open();
  assert.equal((await socket.next()).event, "APPROVAL_APPROVED");
  assert.equal((await inbox.item(id)).status, "approved");
});

test("tells of nothing before the store has kept it, nor of what it refused", async (t) => {
  const store = storage.approvals;
  const gate = latch();
  const create: ApprovalStore["create"] = async (one, max) => {
    if (one.action === "held") await gate.opened;
    if (one.action === "lost") throw new Error("disk full");
    return store.create(one, max);
  };
  const errors: string[] = [];
  const log = { info() {}, warn() {}, error: (fields: object) => errors.push(JSON.stringify(fields)) };
  const inbox = await open(t, { storage: { ...storage, approvals: { ...store, create } }, log });
  const socket = await listen(t, inbox.port, { Authorization: `Bearer ${BOB}` });
  const held = inbox.create({ action: "held" });
  const lost = await inbox.call("POST", APPROVALS, AGENT, { action: "lost" });
  assert.deepEqual(
    [lost.status, lost.body],
    [500, { error: "the inbox could not read or keep approvals; see its log" }],
  );
  assert.match(errors.join(), /disk full/);
  await inbox.create({ action: "quick" });
  gate.open();
  await held;
  assert.deepEqual([(await socket.next()).payload.action, (await socket.next()).payload.action], ["quick", "held"]);
});

test("cuts a slow client off instead of skipping events", { timeout: 30_000 }, async (t) => {
  const inbox = await open(t);
  const { socket } = await listen(t, inbox.port, { Authorization: `Bearer ${BOB}` });
  const heard: number[] = [];
  socket.on("message", (data: Buffer) => heard.push(Number((JSON.parse(data.toString()) as Event_).payload.task_id)));
  socket.pause();
  const reason = "x".repeat(120 * 1024);
  const sent = 250;
  for (let n = 0; n < sent; n++) await inbox.create({ action: "act", reason, task_id: String(n) });
  socket.resume();
  await once(socket, "close");
  assert.ok(heard.length < sent, `heard all of ${sent}`);
  assert.deepEqual(heard, Array.from(heard.keys()));
});

test("pings its clients and cuts off one that does not answer", { timeout: 30_000 }, async (t) => {
  const { port } = await open(t, { pingIntervalMs: 50 });
  const lively = await listen(t, port, { Authorization: `Bearer ${BOB}` });
  const dead = await listen(t, port, { Authorization: `Bearer ${BOB}` }, { autoPong: false });
  const [code] = (await once(dead.socket, "close")) as [number];
  assert.equal(code, 1006);
  await once(lively.socket, "ping");
  await once(lively.socket, "ping");
  assert.equal(lively.socket.readyState, WebSocket.OPEN);
});

test("outlives whatever a client says on its socket", async (t) => {
  const inbox = await open(t);
  const rude = await listen(t, inbox.port, { Authorization: `Bearer ${BOB}` });
  const polite = await listen(t, inbox.port, { Authorization: `Bearer ${BOB}` });
  polite.socket.send('{"event":"APPROVAL_APPROVED"}');
  rude.socket.send(Buffer.alloc(64 * 1024));
  const [code] = (await once(rude.socket, "close")) as [number];
  assert.equal(code, 1009);
  await inbox.create({ action: "act" });
  assert.equal((await polite.next()).event, "APPROVAL_REQUESTED");
});

test("opens 200 sockets and refuses the next until one closes", async (t) => {
  const { port } = await open(t);
  const headers = { Authorization: `Bearer ${BOB}` };
  const sockets = await Promise.all(Array.from({ length: 200 }, () => listen(t, port, headers)));
  assert.equal(await handshake(port, headers), 503);
  const leaving = sockets[0]?.socket as WebSocket;
  leaving.close();
  await once(leaving, "close");
  assert.equal(await handshake(port, headers), 101);
});

test(
  "expires a minute after its end what nobody decided or withdrew, and tells of it",
  { timeout: 30_000 },
  async (t) => {
    let time = Date.UTC(2026, 0, 1);
    const inbox = await open(t, { now: () => time, expiryGraceMs: 20 });
    const decided = await inbox.create({ action: "decided", timeout_seconds: 1 });
    await inbox.decide(decided, ALICE, { decision: "approved" });
    const endless = await inbox.create({ action: "endless" });
    const id = await inbox.create({ action: "act", timeout_seconds: 1.5 });
    const socket = await listen(t, inbox.port, { Authorization: `Bearer ${AGENT}`, "X-Workspace-ID": "demo" });
    time += 1_519;
    await inbox.create({ action: "later", timeout_seconds: 100 });
    assert.equal((await socket.next()).event, "APPROVAL_REQUESTED");
    assert.equal((await inbox.item(id)).expires_at, "2026-01-01T00:00:01.500000Z");
    time += 1;
    assert.deepEqual(await socket.next(), {
      event: "APPROVAL_DENIED",
      workspace_id: "demo",
      timestamp: "2026-01-01T00:00:01.520000Z",
      payload: { approval_id: id, decided_by: "auto-expired", decision: "denied" },
    });
    assert.equal((await inbox.item(id)).decided_by, "auto-expired");
    assert.equal((await inbox.item(decided)).status, "approved");
    assert.equal((await inbox.item(endless)).status, "pending");
  },
);

test("stops with 1001 on every socket, and waits for no idle or half-sent request", { timeout: 30_000 }, async (t) => {
  const inbox = await open(t);
  const socket = await listen(t, inbox.port, { Authorization: `Bearer ${BOB}` });
  const half = connect(inbox.port, "127.0.0.1");
  half.on("error", () => {});
  half.write(
    `POST ${APPROVALS} HTTP/1.1\r\nHost: 127.0.0.1:${inbox.port}\r\nAuthorization: Bearer ${AGENT}\r\nContent-Length: 9\r\n`,
  );
  half.write("Content-Type: application/json\r\n\r\n{");
  await inbox.create({ action: "act" });
  const closed = once(socket.socket, "close");
  const ended = once(half.resume(), "close");
  await Promise.all([inbox.stop(), inbox.stop()]);
  const [code] = (await closed) as [number];
  assert.equal(code, 1001);
  await ended;
  await assert.rejects(fetch(inbox.url));
});

test("refuses to listen beyond loopback unprotected, on a taken port, and with a senseless address or certificate", async (t) => {
  const { port } = await open(t);
  const start = (options: Partial<InboxOptions>) => startInbox({ port: 0, storage, ...options });
  for (const host of ["0.0.0.0", "::", "", "192.0.2.1", "inbox.example"]) {
    await assert.rejects(start({ host }), {
      code: "ERR_CONFIG",
      message: `the inbox cannot listen on "${host}" without TLS: tokens and approvals could be read and changed on the way; give --tls-cert and --tls-key, or --insecure-http where the network is safe, or listen on loopback`,
    });
  }
  await assert.rejects(
    start({ port }),
    (error: ApprovalError) =>
      error.code === "ERR_CONFIG" &&
      error.message === `the inbox cannot listen on 127.0.0.1 port ${port}; choose another port` &&
      (error.cause as NodeJS.ErrnoException).code === "EADDRINUSE",
  );
  await assert.rejects(start({ publicUrl: "https://inbox.example.com/path" }), { code: "ERR_CONFIG" });
  await assert.rejects(start({ tls: { cert: "no", key: "no" } }), { code: "ERR_CONFIG" });
});

test("takes no token or name that could be mistaken, and prints no token", async () => {
  const reviewer = (name: string) => ({ agents: [], reviewers: [{ name, token: newToken() }] });
  const shared = newToken();
  const cases = [
    { agents: [{ workspaceId: "../x", token: newToken() }], reviewers: [] },
    { agents: [{ workspaceId: "demo", token: "short" }], reviewers: [] },
    { agents: [{ workspaceId: "demo", token: "with a space inside" }], reviewers: [] },
    { agents: [{ workspaceId: "demo", token: shared }], reviewers: [{ name: "alice", token: shared }] },
    ...[
      "",
      " ",
      "x".repeat(129),
      "a\u202eb",
      "a\nb",
      "countersign:alice",
      " Countersign:x",
      "auto-expired",
      "Auto-Expired",
    ].map(reviewer),
  ];
  for (const list of cases) {
    await assert.rejects(
      storage.tokens.ensure(list, "illegal"),
      (error: ApprovalError) =>
        error.code === "ERR_CONFIG" &&
        [...list.agents, ...list.reviewers].every(({ token }) => !error.message.includes(token)),
      JSON.stringify(list),
    );
  }
});

test("knows each token's bearer and no other text", async () => {
  const bearer = async (token: string) => {
    const { tokenId, ...rest } = (await storage.tokens.identify(token)) as Caller;
    assert.match(tokenId, UUID);
    return rest;
  };
  assert.deepEqual(await bearer(AGENT), { kind: "agent", workspaceId: "demo" });
  assert.deepEqual(await bearer(BOB), { kind: "reviewer", name: "bob" });
  const guess = fc.oneof(
    fc.string(),
    fc.nat(42).map((length) => AGENT.slice(0, length)),
    fc.string().map((tail) => `${AGENT}${tail} `),
  );
  await fc.assert(fc.asyncProperty(guess, async (text) => (await storage.tokens.identify(text)) === undefined));
});

type Headers_ = Record<string, string>;

interface Problem {
  readonly error: string;
}

interface Created {
  readonly approval_id: string;
  readonly status: string;
}

interface Item {
  readonly id: string;
  readonly task_id: string;
  readonly action: string;
  readonly reason: string;
  readonly status: string;
  readonly decided_by: string | null;
  readonly decided_at: string | null;
  readonly comment?: string;
  readonly expires_at?: string;
}

interface Event_ {
  readonly event: string;
  readonly payload: { readonly action?: string; readonly task_id?: string };
}

async function open(t: TestContext, options: Partial<InboxOptions> = {}) {
  await storage.sql.query("truncate countersign.approvals, countersign.logins");
  const inbox = await startInbox({ port: 0, storage, ...options });
  t.after(() => inbox.stop());
  const call = async (method: string, path: string, token?: string, body?: unknown) => {
    const response = await fetch(`${inbox.url}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) as unknown };
  };
  const create = async (body: object, workspaceId = "demo", token = AGENT): Promise<string> => {
    const answer = await call("POST", `/workspaces/${workspaceId}/approvals`, token, body);
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return (answer.body as Created).approval_id;
  };
  const decide = (id: string, token: string, body: object) => call("POST", `${APPROVALS}/${id}/decide`, token, body);
  const list = async (query = "") => (await call("GET", `${APPROVALS}${query}`, AGENT)).body as Item[];
  const item = async (id: string) => (await list(`?ids=${id}`))[0] as Item;
  return { ...inbox, call, create, decide, list, item };
}

/** A request with exactly these headers, Host included, which fetch would not send. */
async function raw(port: number, method: string, path: string, headers: Headers_, body: string | Buffer = "") {
  const request = httpRequest({
    port,
    method,
    path,
    headers: { "content-length": String(Buffer.byteLength(body)), ...headers },
  });
  request.end(body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode as number, text };
}

/** The status that a handshake is answered with; the socket is closed again. */
async function handshake(port: number, headers: Headers_, path = "/ws"): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers });
  socket.on("error", () => {});
  const answered = await Promise.race([
    once(socket, "open").then(() => 101),
    once(socket, "unexpected-response").then(([, response]) => (response as IncomingMessage).statusCode as number),
  ]);
  socket.terminate();
  return answered;
}

async function listen(t: TestContext, port: number, headers: Headers_, options: ClientOptions = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { headers, ...options });
  t.after(() => socket.terminate());
  const frames = on(socket, "message");
  await once(socket, "open");
  return { socket, next: async () => JSON.parse(String(((await frames.next()).value as [Buffer])[0])) as Event_ };
}

function latch() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}

function approval(id: string): Approval {
  return { id, workspaceId: "demo", taskId: "", action: "act", reason: "", createdAtMs: 0 };
}
