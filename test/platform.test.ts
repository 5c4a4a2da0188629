import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { ApprovalError, type ErrorCode } from "../src/domain/errors.ts";
import type { CreateAnswer } from "../src/domain/platform-port.ts";
import { createPlatform, type PlatformOptions } from "../src/platform/http.ts";
import { tokenFrom } from "../src/platform/token.ts";
import { until } from "./support/until.ts";

const NEW = { action: "drop the table", reason: "it is stale", task_id: "approval:ws-1:r-1#run-1" };
const ITEM = {
  id: "a-1",
  task_id: "t",
  status: "pending",
  decided_by: null,
  decided_at: null,
  created_at: "2026-11-22T11:43:18.404374Z",
};

test("creates an approval and sends exactly what the platform needs", async (t) => {
  const server = await serve(t, (_, response) => answer(response, 201, { approval_id: "a-1", status: "pending" }));
  const platform = client(server.url, {
    token: tokenFrom({ token: "secret-1" }),
    origin: "https://canvas.example",
    orgId: "org-1",
  });
  assert.deepEqual(await platform.create("ws-1", { ...NEW, context: { amount: 1 } }), {
    kind: "created",
    approval_id: "a-1",
  });
  const [request] = server.requests;
  assert.equal(request?.line, "POST /workspaces/ws-1/approvals");
  assert.deepEqual(JSON.parse(request.body), { ...NEW, context: { amount: 1 } });
  assert.equal(request.headers.authorization, "Bearer secret-1");
  assert.equal(request.headers.origin, "https://canvas.example");
  assert.equal(request.headers["x-molecule-org-id"], "org-1");
  assert.equal(request.headers["content-type"], "application/json");
});

test("keeps the path prefix of PLATFORM_URL, drops its trailing slash and encodes ids", async (t) => {
  const server = await serve(t, (request, response) =>
    request.method === "GET"
      ? answer(response, 200, [])
      : answer(response, 200, { status: "denied", approval_id: "x" }),
  );
  const platform = client(`${server.url}/prefix/`);
  await platform.list("ws-1", ["a/1", "b,2"]);
  await platform.decide("ws-1", "a/1?x", "denied", "ann");
  assert.deepEqual(
    server.requests.map(({ line }) => line),
    [
      "GET /prefix/workspaces/ws-1/approvals?ids=a%2F1,b%2C2",
      "POST /prefix/workspaces/ws-1/approvals/a%2F1%3Fx/decide",
    ],
  );
  await assert.rejects(platform.decide("ws-1", "..", "denied", "ann"), hasCode("ERR_REQUEST_INVALID"));
  assert.equal(server.requests.length, 2);
});

const CREATE_STATUSES: readonly (readonly [number, CreateAnswer["kind"]])[] = [
  ...[300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 451].map(
    (s) => [s, "refused"] as const,
  ),
  ...[408, 425, 500, 501, 502, 503, 504, 599].map((s) => [s, "unavailable"] as const),
  ...[200, 202, 204, 299, 600, 999].map((s) => [s, "ambiguous"] as const),
  [429, "busy"],
];
test("tells by its status whether a create may be asked again", async (t) => {
  let status = 0;
  const server = await serve(t, (_, response) => answer(response, status, { approval_id: "a-1" }));
  const platform = client(server.url);
  for (const [each, kind] of CREATE_STATUSES) {
    status = each;
    const result = await platform.create("ws-1", NEW);
    assert.equal(result.kind, kind, `status ${each}`);
    assert.equal("error" in result && result.error, `Failed to create request: ${each}`);
  }
});

const UNREADABLE: { readonly [name: string]: string | Buffer } = {
  HTML: "<!doctype html><title>Sign in</title>",
  "an empty body": "",
  "a truncated body": '{"approval_id": "a-',
  "a byte order mark": '\ufeff{"approval_id":"a-1"}',
  "bad UTF-8": Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
  "a duplicate key": '{"approval_id":"a-1","approval_id":"a-2"}',
  "a prototype key": '{"approval_id":"a-1","__proto__":{}}',
  "a number for the id": '{"approval_id":1}',
  "an empty id": '{"approval_id":""}',
  "an id that climbs the path": '{"approval_id":".."}',
  "half a surrogate pair in the id": '{"approval_id":"\\ud800"}',
  "no id": '{"status":"pending"}',
  "a list": "[]",
  null: "null",
  "a bare word": "true",
};
for (const [name, body] of Object.entries(UNREADABLE)) {
  test(`takes a 201 with ${name} for an approval that may or may not exist`, async (t) => {
    const server = await serve(t, (_, response) => void response.writeHead(201).end(body));
    assert.deepEqual(await client(server.url).create("ws-1", NEW), {
      kind: "ambiguous",
      error: "Platform returned invalid JSON (status 201)",
    });
  });
}

for (const name of [
  "HTML",
  "an empty body",
  "a truncated body",
  "a byte order mark",
  "bad UTF-8",
  "a duplicate key",
  "no id",
  "null",
]) {
  test(`refuses to read a list out of ${name}`, async (t) => {
    const server = await serve(t, (_, response) => void response.writeHead(200).end(UNREADABLE[name]));
    await assert.rejects(client(server.url).list("ws-1"), hasCode("ERR_PLATFORM_UNREADABLE"));
  });
}

test("says of an unreadable list what was asked, what came and what to do, and quotes none of it", async (t) => {
  const server = await serve(t, (_, response) => void response.writeHead(200).end("sk-secret <html>"));
  await assert.rejects(client(server.url).list("ws-1"), {
    code: "ERR_PLATFORM_UNREADABLE",
    message: `GET ${server.url}/workspaces/ws-1/approvals answered something unreadable: the text is not JSON; check that PLATFORM_URL points at the platform itself`,
  });
});

test("cuts a body of 500 MB off at 16 MiB for a list and at 1 MiB for anything else", async (t) => {
  let taken = 0;
  const server = await serve(t, (request, response) => {
    response.writeHead(request.method === "GET" ? 200 : request.url?.endsWith("/decide") ? 200 : 201);
    taken = 0;
    const chunk = Buffer.alloc(64 * 1024, " ");
    const pump = (): void => {
      if (response.destroyed) return;
      taken += chunk.length;
      if (taken > 500 * 1024 * 1024) response.end();
      else response.write(chunk, () => setImmediate(pump));
    };
    pump();
  });
  const platform = client(server.url, { timeoutMs: 10_000 });
  await assert.rejects(platform.list("ws-1"), /larger than 16777216 bytes/);
  assert.ok(taken < 40 * 1024 * 1024, `${taken} bytes were taken for the list`);
  assert.equal((await platform.create("ws-1", NEW)).kind, "ambiguous");
  assert.ok(taken < 20 * 1024 * 1024, `${taken} bytes were taken for the create`);
  await assert.rejects(platform.decide("ws-1", "a-1", "denied", "ann"), /larger than 1048576 bytes/);
});

test("holds nothing of a body that was too large", async (t) => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const held = () => {
    collect();
    // The second one waits until what the first one has found is given back.
    collect();
    return process.memoryUsage().arrayBuffers;
  };
  const body = gzipSync(Buffer.alloc(64 * 1024 * 1024, " "));
  const server = await serve(
    t,
    (_, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(body),
  );
  const platform = client(server.url);
  const before = held();
  await assert.rejects(platform.list("ws-1"), /larger than 16777216 bytes/);
  const grown = held() - before;
  assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes`);
});

test("counts a gzip bomb by what it unpacks to, and reads an honest gzip", async (t) => {
  let body = gzipSync(Buffer.alloc(64 * 1024 * 1024, " "));
  const server = await serve(
    t,
    (_, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(body),
  );
  const platform = client(server.url);
  await assert.rejects(platform.list("ws-1"), /larger than 16777216 bytes/);
  body = gzipSync(JSON.stringify([ITEM]));
  assert.equal((await platform.list("ws-1")).items.length, 1);
  body = Buffer.from("not gzip at all");
  await assert.rejects(platform.list("ws-1"), hasCode("ERR_PLATFORM_UNREADABLE"));
  body = gzipSync(JSON.stringify([ITEM])).subarray(0, 30);
  await assert.rejects(platform.list("ws-1"), hasCode("ERR_PLATFORM_UNREADABLE"));
});

test("refuses a compression that it did not ask for", async (t) => {
  const server = await serve(t, (_, response) => void response.writeHead(200, { "content-encoding": "br" }).end("[]"));
  await assert.rejects(client(server.url).list("ws-1"), hasCode("ERR_PLATFORM_UNREADABLE"));
});

test("cuts a dripping body off when the time of the whole call is over", async (t) => {
  let closed = 0;
  const server = await serve(t, (request, response) => {
    response.writeHead(request.method === "GET" ? 200 : 201);
    const drip = setInterval(() => response.write(" "), 10);
    response.on("close", () => {
      clearInterval(drip);
      closed++;
    });
  });
  const platform = client(server.url, { timeoutMs: 150 });
  await assert.rejects(platform.list("ws-1"), hasCode("ERR_PLATFORM_UNREACHABLE"));
  assert.deepEqual(await platform.create("ws-1", NEW), {
    kind: "ambiguous",
    error: "Failed to request approval: no complete answer in time",
  });
  await until("both connections closed", () => closed === 2);
});

for (const status of [301, 302, 307, 308]) {
  test(`follows no ${status} to another host, with any method`, async (t) => {
    const other = await serve(t, (_, response) => answer(response, 200, []));
    const server = await serve(
      t,
      (_, response) => void response.writeHead(status, { location: `${other.url}/elsewhere` }).end(),
    );
    const platform = client(server.url);
    assert.deepEqual(await platform.create("ws-1", NEW), {
      kind: "refused",
      error: `Failed to create request: ${status}`,
    });
    await assert.rejects(platform.list("ws-1"), hasCode("ERR_PLATFORM_REFUSED"));
    assert.equal((await platform.decide("ws-1", "a-1", "denied", "ann")).kind, "refused");
    assert.equal(server.requests.length, 3);
    assert.equal(other.requests.length, 0);
  });
}

test("knows that a refused connection created nothing", async () => {
  const url = await deadUrl();
  const platform = client(url);
  const result = await platform.create("ws-1", NEW);
  assert.equal(result.kind, "unavailable");
  assert.match(
    "error" in result ? result.error : "",
    /^Failed to request approval: connect ECONNREFUSED 127\.0\.0\.1:\d+$/,
  );
  await assert.rejects(platform.list("ws-1"), hasCode("ERR_PLATFORM_UNREACHABLE"));
  await assert.rejects(platform.decide("ws-1", "a-1", "denied", "ann"), hasCode("ERR_PLATFORM_UNREACHABLE"));
});

test("knows that an unknown host created nothing", async () => {
  assert.equal((await client("http://no-such-host.invalid").create("ws-1", NEW)).kind, "unavailable");
});

const LOST_ANSWERS: { readonly [name: string]: (request: IncomingMessage, response: ServerResponse) => void } = {
  "resets after the body": (request) => request.socket.resetAndDestroy(),
  "closes without an answer": (request) => request.socket.end(),
  "never answers": () => undefined,
  "breaks off in the middle of the answer": (_, response) => {
    response.writeHead(201, { "content-length": "100" });
    response.write('{"approval_id":', () => response.destroy());
  },
  "switches protocols": (request) =>
    request.socket.end("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
  "answers no HTTP": (request) => request.socket.end("ding dong\r\n\r\n"),
  "answers with a header of 1 MB": (request) =>
    request.socket.end(`HTTP/1.1 201 Created\r\nX: ${"x".repeat(1_000_000)}\r\n\r\n`),
};
for (const [name, misbehave] of Object.entries(LOST_ANSWERS)) {
  test(`takes a create for ambiguous when the platform ${name}`, async (t) => {
    const server = await serve(t, misbehave);
    const result = await client(server.url, { timeoutMs: 300 }).create("ws-1", NEW);
    assert.equal(result.kind, "ambiguous");
    assert.match("error" in result ? result.error : "", /^Failed to request approval: ./);
    assert.equal(server.requests.length, 1);
  });
}

test("passes a Retry-After on, clamped to 1..60 s", async (t) => {
  let header = "";
  const server = await serve(t, (_, response) => void response.writeHead(429, { "retry-after": header }).end());
  const platform = client(server.url);
  for (const [given, ms] of [
    ["7", 7_000],
    ["31536000", 60_000],
    ["soon", 1_000],
  ] as const) {
    header = given;
    assert.deepEqual(await platform.create("ws-1", NEW), {
      kind: "busy",
      error: "Failed to create request: 429",
      retry_after_ms: ms,
    });
  }
});

test("leaves the list alone for as long as the platform asked, and creates meanwhile", async (t) => {
  const server = await serve(t, (request, response) => {
    if (request.method === "POST") return answer(response, 201, { approval_id: "a-1" });
    response.writeHead(429, { "retry-after": "30" }).end();
  });
  const platform = client(server.url);
  await assert.rejects(platform.list("ws-1"), hasCode("ERR_PLATFORM_UNREACHABLE"));
  await assert.rejects(platform.list("ws-1"), /asked for 30 s of quiet/);
  assert.equal((await platform.create("ws-1", NEW)).kind, "created");
  assert.deepEqual(
    server.requests.map(({ line }) => line.slice(0, 4)),
    ["GET ", "POST"],
  );
});

for (const status of [401, 403]) {
  test(`reads the token file again after a ${status} and asks once more`, async (t) => {
    const file = await tempFile(t, "old\n");
    const server = await serve(t, (request, response) => {
      if (request.headers.authorization === "Bearer new") answer(response, 201, { approval_id: "a-1" });
      else answer(response, status, { error: "invalid workspace auth token" });
    });
    const platform = client(server.url, { token: tokenFrom({ tokenFile: file }) });
    await writeFile(file, "  new\n");
    assert.equal((await platform.create("ws-1", NEW)).kind, "created");
    assert.deepEqual(
      server.requests.map(({ headers }) => headers.authorization),
      ["Bearer old", "Bearer new"],
    );
  });

  test(`asks only once when a ${status} brings no other token`, async (t) => {
    const file = await tempFile(t, "old");
    const server = await serve(t, (_, response) => answer(response, status, {}));
    const platform = client(server.url, { token: tokenFrom({ tokenFile: file }) });
    assert.deepEqual(await platform.create("ws-1", NEW), {
      kind: "refused",
      error: `Failed to create request: ${status}`,
    });
    await assert.rejects(platform.list("ws-1"), hasCode("ERR_PLATFORM_REFUSED"));
    assert.equal((await platform.decide("ws-1", "a-1", "denied", "ann")).kind, "refused");
    assert.equal(server.requests.length, 3);
  });
}

test("uses a token that another call has read again in between", async (t) => {
  let current = "old";
  const server = await serve(t, (request, response) => {
    const sent = request.headers.authorization;
    current = "new";
    answer(response, sent === "Bearer new" ? 200 : 401, []);
  });
  const platform = client(server.url, { token: { current: () => current, reread: () => Promise.resolve(false) } });
  assert.equal((await platform.list("ws-1")).items.length, 0);
});

test("keeps the old token while the token file is empty or gone", async (t) => {
  const file = await tempFile(t, "old");
  const token = tokenFrom({ tokenFile: file });
  await writeFile(file, "");
  assert.equal(await token.reread(), false);
  await rm(file);
  assert.equal(await token.reread(), false);
  assert.equal(token.current(), "old");
  await writeFile(file, "new");
  assert.deepEqual([token.current(), await token.reread(), token.current()], ["old", true, "new"]);
});

test("prefers a token given as text until the file is read again", async (t) => {
  const token = tokenFrom({ token: " text ", tokenFile: await tempFile(t, "file") });
  assert.equal(token.current(), "text");
  assert.equal(await token.reread(), true);
  assert.equal(token.current(), "file");
  assert.equal(tokenFrom({}).current(), undefined);
});

test("refuses a token that no header can carry, without printing it", () => {
  assert.throws(
    () => tokenFrom({ token: "sec\nret" }),
    (error: ApprovalError) => error.code === "ERR_CONFIG" && !error.message.includes("sec\nret"),
  );
});

test("tells a decision that stands from one that came too late", async (t) => {
  let reply: { status: number; body: unknown } = { status: 200, body: { status: "denied", approval_id: "a-1" } };
  const server = await serve(t, (_, response) => answer(response, reply.status, reply.body));
  const decide = () => client(server.url).decide("ws-1", "a-1", "denied", "countersign:timed_out");
  assert.deepEqual(await decide(), { kind: "decided" });
  assert.deepEqual(JSON.parse(server.requests[0]?.body ?? ""), {
    decision: "denied",
    decided_by: "countersign:timed_out",
  });
  reply = { status: 200, body: { status: "approved", approval_id: "a-1" } };
  assert.deepEqual(await decide(), { kind: "not_pending" });
  reply = { status: 404, body: { error: "approval not found or already decided" } };
  assert.deepEqual(await decide(), { kind: "not_pending" });
  for (const [status, code] of [
    [408, "ERR_PLATFORM_UNREACHABLE"],
    [429, "ERR_PLATFORM_UNREACHABLE"],
    [500, "ERR_PLATFORM_UNREACHABLE"],
    [204, "ERR_PLATFORM_UNREADABLE"],
  ] as const) {
    reply = { status, body: {} };
    await assert.rejects(decide(), hasCode(code), String(status));
  }
  reply = { status: 200, body: "<html>" };
  await assert.rejects(decide(), hasCode("ERR_PLATFORM_UNREADABLE"));
});

test("ends a call when the caller aborts it", async (t) => {
  const server = await serve(t, () => undefined);
  const platform = client(server.url, { timeoutMs: 10_000 });
  const reason = new Error("enough");
  const abortAfterArrival = (count: number) => {
    const controller = new AbortController();
    void until(`request ${count}`, () => server.requests.length === count).then(() => controller.abort(reason));
    return controller.signal;
  };
  await assert.rejects(platform.list("ws-1", [], abortAfterArrival(1)), reason);
  await assert.rejects(platform.decide("ws-1", "a-1", "denied", "ann", abortAfterArrival(2)), reason);
  const created = await platform.create("ws-1", NEW, abortAfterArrival(3));
  assert.deepEqual(created, { kind: "ambiguous", error: "Failed to request approval: cancelled" });
  assert.deepEqual(await platform.create("ws-1", NEW, AbortSignal.abort()), {
    kind: "unavailable",
    error: "Failed to request approval: cancelled",
  });
  assert.equal(server.requests.length, 3);
});

test("keeps a connection for lists, opens a fresh one for each POST, and gets over a kept one that has died", async (t) => {
  const seen = new Map<unknown, number>();
  const server = await serve(t, (request, response) => {
    const nth = (seen.get(request.socket) ?? 0) + 1;
    seen.set(request.socket, nth);
    if (request.method === "POST") return answer(response, 201, { approval_id: "a-1" });
    if (nth === 3) return void request.socket.resetAndDestroy();
    answer(response, 200, []);
  });
  const platform = client(server.url);
  await platform.list("ws-1");
  await platform.list("ws-1");
  assert.equal(seen.size, 1);
  await platform.create("ws-1", NEW);
  assert.equal(seen.size, 2);
  await platform.list("ws-1");
  assert.equal(seen.size, 3);
});

test("reports the platform's health once per change", async (t) => {
  let status = 200;
  const server = await serve(t, (_, response) => answer(response, status, []));
  const told: (string | undefined)[] = [];
  const platform = client(server.url, { token: tokenFrom({}), onHealth: (problem) => told.push(problem) });
  for (const each of [200, 401, 401, 503, 200, 200]) {
    status = each;
    await platform.list("ws-1").catch(() => undefined);
  }
  const request = `GET ${server.url}/workspaces/ws-1/approvals`;
  assert.deepEqual(told, [
    `${request} answered 401; no token is configured, set one`,
    `${request} answered 503; look at the platform's log`,
    undefined,
  ]);
});

test("never shows a token or the credentials of a URL in an error", async (t) => {
  const server = await serve(t, (_, response) => answer(response, 403, {}));
  const url = server.url.replace("http://", "http://user:pass@");
  await assert.rejects(client(url, { token: tokenFrom({ token: "tok-1" }) }).list("ws-1"), (error: Error) => {
    assert.equal(
      error.message,
      `GET ${server.url}/workspaces/ws-1/approvals answered 403; check the token, and PLATFORM_ORIGIN`,
    );
    return true;
  });
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
interface Request {
  readonly line: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** A platform that answers as the test says, once it has the whole request. */
async function serve(t: TestContext, handler: Handler): Promise<{ url: string; requests: Request[] }> {
  const requests: Request[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      requests.push({
        line: `${request.method} ${request.url}`,
        headers: request.headers,
        body: Buffer.concat(chunks).toString("utf8"),
      });
      handler(request, response);
    });
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { "content-type": "application/json" })
    .end(status === 204 || status === 304 ? undefined : JSON.stringify(body));
}

async function deadUrl(): Promise<string> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

function client(url: string, options: Partial<PlatformOptions> = {}) {
  return createPlatform({ url, token: tokenFrom({ token: "secret-1" }), timeoutMs: 5_000, ...options });
}

async function tempFile(t: TestContext, content: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "countersign-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "token");
  await writeFile(file, content);
  return file;
}

function hasCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof ApprovalError && error.code === code;
}
