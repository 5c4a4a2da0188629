/** Who may speak to the inbox, from where, and what it gives the page: tokens, sessions, forged requests, guesses, addresses. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { after, before, test, type TestContext } from "node:test";
import { WebSocket } from "ws";
import { createBadTokens } from "../src/inbox/bad-tokens.ts";
import type { InboxOptions } from "../src/inbox/server.ts";
import { startInbox } from "../src/inbox/server.ts";
import { openStorage, type Storage } from "../src/inbox/storage.ts";
import { newToken } from "../src/inbox/tokens.ts";

const AGENT = newToken();
const ALICE = newToken();
const OPERATOR = newToken();
const APPROVALS = "/workspaces/demo/approvals";

let storage: Storage;

before(async () => {
  storage = await openStorage({ memory: true });
});

after(() => storage.close());

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

interface Call {
  readonly method?: string;
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  /** Trusts this certificate, and speaks TLS. */
  readonly ca?: string;
}

async function send(port: number, path: string, { method, token, body, headers, ca }: Call = {}): Promise<Answer> {
  const options = {
    host: "127.0.0.1",
    port,
    path,
    agent: false,
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
  } as const;
  const request = ca === undefined ? httpRequest(options) : httpsRequest({ ...options, ca, servername: "localhost" });
  request.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(request, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, text };
}

/** An inbox with nothing pending, a reviewer alice and the agent of demo. */
async function open(t: TestContext, options: Partial<InboxOptions> = {}) {
  await storage.sql.query("truncate countersign.approvals, countersign.tokens cascade");
  const people = { agents: [{ workspaceId: "demo", token: AGENT }], reviewers: [{ name: "alice", token: ALICE }] };
  await storage.tokens.ensure(people, "test");
  const inbox = await startInbox({ port: 0, storage, operatorToken: OPERATOR, ...options });
  t.after(() => inbox.stop());
  const call = (path: string, options: Call = {}) => send(inbox.port, path, options);
  const create = async (body: object): Promise<string> => {
    const { status, text } = await call(APPROVALS, { token: AGENT, body });
    assert.equal(status, 201, text);
    return (JSON.parse(text) as { approval_id: string }).approval_id;
  };
  const tokenId = async (token: string) => (await storage.tokens.identify(token))?.tokenId as string;
  const login = async (): Promise<string> => {
    const url = new URL((await inbox.createLoginUrl(await tokenId(ALICE))) as string);
    const { headers } = await call(url.pathname + url.search);
    return (headers["set-cookie"]?.[0] ?? "").split(";")[0] as string;
  };
  const decide = (id: string, headers: Record<string, string>, body: unknown = { decision: "approved" }) =>
    call(`${APPROVALS}/${id}/decide`, { body, headers });
  const statusOf = async (id: string) =>
    (JSON.parse((await call(`${APPROVALS}/${id}`, { token: AGENT })).text) as { status: string }).status;
  return { ...inbox, call, create, login, decide, statusOf, tokenId, origin: `http://127.0.0.1:${inbox.port}` };
}

async function upgrade(port: number, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { headers });
  socket.on("error", () => {});
  const status = await Promise.race([
    once(socket, "open").then(() => 101),
    once(socket, "unexpected-response").then(([, response]) => (response as IncomingMessage).statusCode ?? 0),
  ]);
  socket.terminate();
  return status;
}

/** An open socket, gone when the test is over. */
async function hear(t: TestContext, port: number, headers: Record<string, string>): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { headers });
  t.after(() => socket.terminate());
  await once(socket, "open");
  return socket;
}

test("exchanges a login link once for a cookie that no script can read and no other site sends", async (t) => {
  const inbox = await open(t);
  const url = new URL((await inbox.createLoginUrl(await inbox.tokenId(ALICE))) as string);
  const answer = await inbox.call(url.pathname + url.search);
  assert.deepEqual([answer.status, answer.headers.location], [303, "/"]);
  const [cookie] = answer.headers["set-cookie"] ?? [];
  assert.match(cookie ?? "", /^countersign_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
  assert.equal((await inbox.call(url.pathname + url.search)).status, 403);
  for (const path of ["/login", "/login?code=", "/login?code=a&code=b", `/login?code=${ALICE}`])
    assert.equal((await inbox.call(path)).status, 403, path);
  const headers = { cookie: `theme=dark; ${(cookie ?? "").split(";")[0]}; other=1` };
  assert.equal((await inbox.call("/api/me", { headers })).text, '{"name":"alice"}');
  assert.equal((await inbox.call("/", { headers })).status, 200);
  assert.equal((await inbox.call("/")).status, 401);
  assert.equal(await inbox.createLoginUrl(await inbox.tokenId(AGENT)), undefined);
});

test("decides for a session by its own page's request only", async (t) => {
  const inbox = await open(t);
  const cookie = await inbox.login();
  const own = { cookie, "x-countersign": "1", origin: inbox.origin };
  const id = await inbox.create({ action: "act" });
  const forged: Record<string, string>[] = [
    { cookie },
    { cookie, "x-countersign": "1" },
    { cookie, origin: inbox.origin },
    { ...own, "x-countersign": "0" },
    { ...own, origin: "http://evil.example" },
    { ...own, origin: "null" },
    { ...own, origin: `http://localhost:${inbox.port}` },
    { ...own, "sec-fetch-site": "same-site" },
    { ...own, "sec-fetch-site": "cross-site" },
    { ...own, "sec-fetch-site": "none" },
    { cookie, "x-countersign": "1", "sec-fetch-site": "cross-site" },
  ];
  for (const headers of forged) assert.equal((await inbox.decide(id, headers)).status, 403, JSON.stringify(headers));
  const form = { ...own, "content-type": "application/x-www-form-urlencoded" };
  assert.equal((await inbox.decide(id, form)).status, 415);
  assert.equal((await inbox.decide(id, { ...own, cookie: "countersign_session=guess" })).status, 401);
  assert.equal(await inbox.statusOf(id), "pending");

  const decided = await inbox.decide(id, own, { decision: "denied", comment: "not today", decided_by: "bob" });
  assert.equal(decided.status, 200);
  const kept = JSON.parse((await inbox.call(`${APPROVALS}/${id}`, { token: AGENT })).text) as Record<string, unknown>;
  assert.deepEqual([kept["status"], kept["decided_by"], kept["comment"]], ["denied", "alice", "not today"]);
  const other = await inbox.create({ action: "act" });
  const fetched = { cookie, "x-countersign": "1", "sec-fetch-site": "same-origin" };
  assert.equal((await inbox.decide(other, fetched)).status, 200);
});

test("opens a socket and reads for a session only where the request comes from its own page", async (t) => {
  const inbox = await open(t);
  const cookie = await inbox.login();
  assert.equal(await upgrade(inbox.port, { cookie, origin: inbox.origin }), 101);
  assert.equal(await upgrade(inbox.port, { cookie }), 403);
  assert.equal(await upgrade(inbox.port, { cookie, origin: `http://localhost:${inbox.port}` }), 403);
  assert.equal(await upgrade(inbox.port, { cookie, origin: "http://evil.example" }), 403);
  assert.equal(await upgrade(inbox.port, { cookie, origin: inbox.origin, "sec-fetch-site": "cross-site" }), 403);
  const read = async (headers: Record<string, string>) =>
    (await inbox.call("/api/approvals", { headers: { cookie, ...headers } })).status;
  assert.equal(await read({}), 200);
  assert.equal(await read({ "sec-fetch-site": "none" }), 200);
  assert.equal(await read({ "sec-fetch-site": "same-site" }), 403);
  assert.equal(await read({ origin: "http://evil.example" }), 403);
});

test("gives the page what is pending and decided, and no agent", async (t) => {
  const inbox = await open(t, { now: () => Date.UTC(2026, 0, 1) });
  const context = { table: "users", rows: [1, 2] };
  const first = await inbox.create({ action: "endless", reason: "r", task_id: "t-1", context });
  const second = await inbox.create({ action: "soon", timeout_seconds: 0.5 });
  const ask = async (query: string, token = ALICE) => {
    const { status, text } = await inbox.call(`/api/approvals${query}`, { token });
    return {
      status,
      ...(JSON.parse(text) as { items: { id: string }[]; next?: string; total: number; error: string }),
    };
  };
  const page = await ask("?limit=1");
  assert.deepEqual([page.items.map(({ id }) => id), page.total], [[second], 2]);
  const next = await ask(`?limit=1&cursor=${page.next}`);
  assert.equal(next.next, undefined);
  assert.deepEqual(next.items, [
    {
      id: first,
      workspace_id: "demo",
      task_id: "t-1",
      action: "endless",
      reason: "r",
      context,
      status: "pending",
      decided_by: null,
      decided_at: null,
      comment: null,
      created_at: "2026-01-01T00:00:00.000000Z",
      expires_at: null,
    },
  ]);
  assert.equal((await ask("?q=SOON")).total, 1);
  assert.equal((await ask("?status=decided")).total, 0);
  for (const query of ["?status=all", "?limit=0", "?limit=201", "?cursor=x", "?cursor=W10", "?q=a&q=b"])
    assert.equal((await ask(query)).status, 400, query);
  assert.equal((await ask("", AGENT)).status, 401);
});

test("tells whoever hears all workspaces also what only the page needs", async (t) => {
  const inbox = await open(t, { now: () => Date.UTC(2026, 0, 1) });
  const socket = new WebSocket(`ws://127.0.0.1:${inbox.port}/ws`, { headers: { authorization: `Bearer ${ALICE}` } });
  t.after(() => socket.terminate());
  await once(socket, "open");
  const next = async () =>
    (JSON.parse(String(((await once(socket, "message")) as [Buffer])[0])) as { payload: object }).payload;
  const asked = next();
  const id = await inbox.create({ action: "act", context: { n: 1 }, timeout_seconds: 60 });
  assert.deepEqual(await asked, {
    action: "act",
    approval_id: id,
    reason: "",
    task_id: "",
    context: { n: 1 },
    created_at: "2026-01-01T00:00:00.000000Z",
    expires_at: "2026-01-01T00:01:00.000000Z",
  });
  const decided = next();
  const body = { decision: "approved", comment: "go" };
  await inbox.call(`${APPROVALS}/${id}/decide`, { token: ALICE, body });
  assert.deepEqual(await decided, {
    approval_id: id,
    decided_by: "alice",
    decision: "approved",
    decided_at: "2026-01-01T00:00:00.000000Z",
    comment: "go",
  });
});

test("answers a repeated create with the same approval, and 409 where the body is another", async (t) => {
  const inbox = await open(t);
  const ask = (key: string, body: object) =>
    inbox.call(APPROVALS, { token: AGENT, body, headers: { "idempotency-key": key } });
  const first = await ask("k1", { action: "act", context: { a: 1 } });
  const again = await ask("k1", { context: { a: 1 }, action: "act" });
  assert.deepEqual([first.status, again.status, again.text], [201, 201, first.text]);
  assert.notEqual((await ask("k2", { action: "act", context: { a: 1 } })).text, first.text);
  for (const body of [{ action: "act" }, { action: "act", context: { a: 1 }, timeout_seconds: 5 }])
    assert.equal((await ask("k1", body)).status, 409, JSON.stringify(body));
  for (const key of ["", " ", "x".repeat(256)]) assert.equal((await ask(key, { action: "act" })).status, 400, key);
});

test("lists by status and page by page, and refuses what is no such query", async (t) => {
  const inbox = await open(t);
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) ids.push(await inbox.create({ action: `act ${n}` }));
  await inbox.call(`${APPROVALS}/${ids[1]}/decide`, { token: ALICE, body: { decision: "approved" } });
  const list = async (query: string) => {
    const answer = await inbox.call(`${APPROVALS}${query}`, { token: AGENT });
    assert.equal(answer.status, 200, answer.text);
    const found = (JSON.parse(answer.text) as { id: string }[]).map(({ id }) => ids.indexOf(id));
    return { found, cursor: answer.headers["x-next-cursor"] };
  };
  const { found, cursor } = await list("?status=pending&limit=1");
  assert.deepEqual(found, [2]);
  assert.deepEqual(await list(`?status=pending&limit=1&cursor=${String(cursor)}`), { found: [0], cursor: undefined });
  assert.deepEqual((await list("?status=approved")).found, [1]);
  assert.deepEqual((await list("?status=denied")).found, []);
  for (const query of ["?status=open", "?limit=1.5", "?limit=-1", "?cursor=", "?status=pending&status=denied"])
    assert.equal((await inbox.call(`${APPROVALS}${query}`, { token: AGENT })).status, 400, query);
});

test("refuses a context that is nested beyond reading, and a timeout that is none", async (t) => {
  const inbox = await open(t);
  const nested = (depth: number) => JSON.parse(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`) as unknown;
  await inbox.create({ action: "act", context: nested(63) });
  const ask = async (body: object) => (await inbox.call(APPROVALS, { token: AGENT, body })).status;
  assert.equal(await ask({ action: "act", context: nested(64) }), 400);
  for (const timeout_seconds of [0, -1, "5", 1e9]) assert.equal(await ask({ action: "act", timeout_seconds }), 400);
  assert.equal(await ask({ action: "act", timeout_seconds: null }), 201);
});

test("lets a revoked token in nowhere any more, and ends its sockets and sessions at once", async (t) => {
  const inbox = await open(t);
  const cookie = await inbox.login();
  const agent = await hear(t, inbox.port, { authorization: `Bearer ${AGENT}`, "x-workspace-id": "demo" });
  const sockets = [
    await hear(t, inbox.port, { authorization: `Bearer ${ALICE}` }),
    await hear(t, inbox.port, { cookie, origin: inbox.origin }),
  ];
  const closed = sockets.map((socket) => once(socket, "close"));
  await storage.tokens.revoke(await inbox.tokenId(ALICE));
  for (const [code] of (await Promise.all(closed)) as [number][]) assert.equal(code, 1008);
  assert.equal((await inbox.call("/api/me", { token: ALICE })).status, 401);
  assert.equal((await inbox.call("/api/me", { headers: { cookie } })).status, 401);
  assert.equal(agent.readyState, WebSocket.OPEN);
});

test("ends the sockets of a session when the session ends, and not those of its token", async (t) => {
  const inbox = await open(t);
  const cookie = await inbox.login();
  await storage.sql.query(
    "update countersign.logins set expires_at = now() + interval '1 second' where kind = 'session'",
  );
  const session = await hear(t, inbox.port, { cookie, origin: inbox.origin });
  const token = await hear(t, inbox.port, { authorization: `Bearer ${ALICE}` });
  const [code, reason] = (await once(session, "close")) as [number, Buffer];
  assert.deepEqual([code, reason.toString()], [1008, "the session is over"]);
  assert.equal(await upgrade(inbox.port, { cookie, origin: inbox.origin }), 401);
  assert.equal(token.readyState, WebSocket.OPEN);
});

test("refuses an address after ten wrong tokens in a minute, and goes on for tokens that it knows", async (t) => {
  const inbox = await open(t);
  const guess = async (token: string) => inbox.call(APPROVALS, { token });
  assert.equal((await guess(AGENT)).status, 200);
  for (let n = 0; n < 10; n++) assert.equal((await guess(`guess-${n}`)).status, 401);
  const refused = await guess("guess-11");
  assert.equal(refused.status, 429);
  assert.ok(Number(refused.headers["retry-after"]) > 0 && Number(refused.headers["retry-after"]) <= 60);
  assert.equal((await guess(ALICE)).status, 429, "a right guess must not be told from a wrong one");
  assert.equal((await inbox.call("/login?code=guess")).status, 429);
  assert.equal(await upgrade(inbox.port, { authorization: "Bearer guess", "x-workspace-id": "demo" }), 429);
  assert.equal((await inbox.call("/operator/tokens", { token: "guess" })).status, 429);
  assert.equal((await guess(AGENT)).status, 200);
  assert.equal((await inbox.call(APPROVALS)).status, 401, "no token is no guess");
});

test("forgets wrong tokens after a minute, and counts each address by itself", () => {
  let time = 0;
  const bad = createBadTokens(() => time);
  for (let n = 0; n < 10; n++) bad.count("a");
  assert.equal(bad.waitSeconds("a"), 60);
  assert.equal(bad.waitSeconds("b"), undefined);
  time = 59_999;
  assert.equal(bad.waitSeconds("a"), 1);
  time = 60_000;
  assert.equal(bad.waitSeconds("a"), undefined);
  bad.count("a");
  assert.equal(bad.waitSeconds("a"), undefined);
});

test("makes and revokes tokens for the operator only", async (t) => {
  const inbox = await open(t);
  const ask = (path: string, token: string, body?: object, method?: string) =>
    inbox.call(`/operator${path}`, { token, body, ...(method === undefined ? {} : { method }) });
  for (const token of [AGENT, ALICE]) {
    assert.equal((await ask("/tokens", token)).status, 401);
    assert.equal((await ask("/tokens", token, { kind: "reviewer", subject: "eve" })).status, 401);
    assert.equal((await ask("/logins", token, { token_id: "x" })).status, 401);
  }
  const made = JSON.parse((await ask("/tokens", OPERATOR, { kind: "agent", subject: "ws-9" })).text) as {
    id: string;
    token: string;
  };
  assert.equal((await inbox.call("/workspaces/ws-9/approvals", { token: made.token })).status, 200);
  assert.equal((await ask(`/tokens/${made.id}`, OPERATOR, undefined, "DELETE")).text, '{"revoked":true}');
  assert.equal((await inbox.call("/workspaces/ws-9/approvals", { token: made.token })).status, 401);
  const refused = await ask("/tokens", OPERATOR, { kind: "reviewer", subject: "countersign:eve" });
  assert.equal(refused.status, 400);
});

test("sends its safety headers with every answer, refusals too", async (t) => {
  const inbox = await open(t);
  const answers = [
    await inbox.call("/"),
    await inbox.call("/nowhere"),
    await inbox.call(APPROVALS),
    await inbox.call("/", { headers: { host: "evil.example" } }),
    await inbox.call(APPROVALS, { token: AGENT, body: 5 }),
  ];
  assert.deepEqual(
    answers.map(({ status }) => status),
    [401, 404, 401, 421, 400],
  );
  for (const { headers } of answers) {
    const policy = String(headers["content-security-policy"]).split(";");
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "require-trusted-types-for 'script'",
    ])
      assert.ok(policy.includes(rule), rule);
    assert.equal(String(policy).includes("unsafe"), false);
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["referrer-policy"], "no-referrer");
    assert.equal(headers["access-control-allow-origin"], undefined);
  }
});

test("speaks TLS beyond loopback, under its public name, with a cookie that needs TLS", async (t) => {
  const pem = (name: string) => readFileSync(new URL(`../../test/fixtures/${name}.pem`, import.meta.url), "utf8");
  const tls = { cert: pem("tls-cert"), key: pem("tls-key") };
  const inbox = await open(t, { host: "0.0.0.0", tls, publicUrl: "https://inbox.example.com" });
  assert.equal(inbox.url, "https://inbox.example.com");
  assert.equal(inbox.localUrl, `https://127.0.0.1:${inbox.port}`);
  const url = new URL((await inbox.createLoginUrl(await inbox.tokenId(ALICE))) as string);
  assert.equal(url.origin, "https://inbox.example.com");
  const secure = (path: string, host: string) => send(inbox.port, path, { ca: tls.cert, headers: { host } });
  const answer = await secure(url.pathname + url.search, "inbox.example.com");
  assert.equal(answer.status, 303);
  assert.match(String(answer.headers["set-cookie"]), /; Secure$/);
  assert.match(String(answer.headers["strict-transport-security"]), /^max-age=/);
  assert.equal((await secure("/nowhere", `127.0.0.1:${inbox.port}`)).status, 404);
  assert.equal((await secure("/nowhere", `evil.example:${inbox.port}`)).status, 421);
});

test("listens beyond loopback without TLS only where that was asked for", async (t) => {
  const inbox = await open(t, { host: "0.0.0.0", insecureHttp: true });
  assert.equal((await inbox.call("/nowhere")).status, 404);
  assert.equal((await inbox.call("/nowhere", { headers: { host: `evil.example:${inbox.port}` } })).status, 421);
});
