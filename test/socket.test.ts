import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { WebSocketServer, type WebSocket } from "ws";
import { backoffMs, handshakeBackoffMs, isStandingRefusal } from "../src/platform/backoff.ts";
import { SocketError, type CloseReason } from "../src/platform/close-reason.ts";
import { openSocket, socketUrl, type SocketOptions } from "../src/platform/socket.ts";
import { tokenFrom } from "../src/platform/token.ts";

test("makes the socket's address from PLATFORM_URL", () => {
  for (const [from, to] of [
    ["http://localhost:8080", "ws://localhost:8080/ws"],
    ["https://canvas.example/", "wss://canvas.example/ws"],
    ["https://canvas.example/team/a/?x=1#y", "wss://canvas.example/team/a/ws"],
    ["http://user:pass@[::1]:8080/p", "ws://[::1]:8080/p/ws"],
  ] as const) {
    assert.equal(socketUrl(from), to);
  }
});

test("names the workspace and sends the token, origin and organisation in the handshake", async (t) => {
  const server = await serve(t);
  const heard = listener(server, {
    token: tokenFrom({ token: "secret-1" }),
    origin: "https://canvas.example",
    orgId: "org-1",
  });
  const socket = await openSocket(heard.options);
  const { headers, url } = server.handshakes[0] as IncomingMessage;
  assert.equal(url, "/ws");
  assert.equal(headers["x-workspace-id"], "ws-1");
  assert.equal(headers.authorization, "Bearer secret-1");
  assert.equal(headers.origin, "https://canvas.example");
  assert.equal(headers["x-molecule-org-id"], "org-1");
  assert.equal(headers["sec-websocket-extensions"], undefined);
  assert.deepEqual([socket.authenticated, socket.isAlive()], [true, true]);
  socket.close();
});

test("is not authenticated where there is no token, but still names the workspace", async (t) => {
  const server = await serve(t);
  const socket = await openSocket(listener(server, { token: tokenFrom({}) }).options);
  assert.equal(socket.authenticated, false);
  assert.equal(server.handshakes[0]?.headers.authorization, undefined);
  assert.equal(server.handshakes[0]?.headers["x-workspace-id"], "ws-1");
  socket.close();
});

test("hands every text message over in order and drops binary ones", async (t) => {
  const server = await serve(t, (peer) => {
    peer.send("one");
    peer.send(Buffer.from("two"), { binary: true });
    peer.send("three ✅");
  });
  let binary = 0;
  const heard = listener(server, { onBinary: () => binary++ });
  const socket = await openSocket(heard.options);
  await until(() => heard.frames.length === 2);
  assert.deepEqual(heard.frames, ["one", "three ✅"]);
  assert.equal(binary, 1);
  socket.close();
});

for (const status of [200, 301, 302, 307, 308, 401, 403, 404, 429, 500, 503]) {
  test(`tells a handshake that is answered with ${status} as a refusal, and asks nobody else`, async (t) => {
    const other = await serve(t);
    const server = await refuse(t, status, `Location: ${other.url}/ws\r\n`);
    const heard = listener(server);
    await assert.rejects(openSocket(heard.options), (error: SocketError) => {
      assert.equal(error.code, "ERR_PLATFORM_REFUSED");
      assert.ok(error.reason.kind === "refused" && error.reason.status === status);
      return true;
    });
    assert.equal(server.handshakes.length, 1);
    assert.equal(other.handshakes.length, 0);
    assert.deepEqual(heard.ends, []);
  });
}

test("reads the token file again after a refused handshake and tries once more", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "countersign-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const tokenFile = join(folder, "token");
  await writeFile(tokenFile, "old");
  const token = tokenFrom({ tokenFile });
  const server = await serve(t, undefined, ({ headers }) => headers.authorization === "Bearer new");
  await assert.rejects(openSocket(listener(server, { token }).options), /refused with 401; check the token$/);
  assert.equal(server.handshakes.length, 1);
  await writeFile(tokenFile, "new");
  const socket = await openSocket(listener(server, { token }).options);
  assert.deepEqual(
    server.handshakes.map(({ headers }) => headers.authorization),
    ["Bearer old", "Bearer old", "Bearer new"],
  );
  socket.close();
});

const NO_HANDSHAKE: { readonly [name: string]: (connection: Duplex) => void } = {
  "never upgrades": () => undefined,
  "drips its answer": (connection) => {
    connection.write("HTTP/1.1 101 Switching Protocols\r\nX: ");
    const drip = setInterval(() => connection.write("x"), 10);
    connection.on("close", () => clearInterval(drip));
  },
  "closes without an answer": (connection) => connection.destroy(),
  "answers no HTTP": (connection) => void connection.write("ding dong\r\n\r\n"),
  "sends a header of 1 MB": (connection) =>
    void connection.write(`HTTP/1.1 101 Switching Protocols\r\nX: ${"x".repeat(1_000_000)}\r\n\r\n`),
  "accepts with the wrong key": (connection) =>
    void connection.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
    ),
};
for (const [name, misbehave] of Object.entries(NO_HANDSHAKE)) {
  test(`gives up on a platform that ${name}, and leaves no connection behind`, async (t) => {
    const server = await upgrades(t, misbehave);
    const heard = listener(server, { handshakeTimeoutMs: 200 });
    await assert.rejects(openSocket(heard.options), (error: SocketError) => {
      assert.equal(error.code, "ERR_PLATFORM_UNREACHABLE");
      assert.equal(error.reason.kind, "unreachable");
      return true;
    });
    await until(() => server.open() === 0);
    assert.deepEqual(heard.ends, []);
  });
}

test("gives up at once where nobody listens", async (t) => {
  const server = await serve(t);
  await server.stop();
  await assert.rejects(openSocket(listener(server).options), /could not be opened: connect ECONNREFUSED/);
});

test("tells the close code of a socket that the platform closes", async (t) => {
  const server = await serve(t, (peer) => peer.close(1008, "policy"));
  const heard = listener(server);
  const socket = await openSocket(heard.options);
  await until(() => heard.ends.length > 0);
  assert.ok(heard.ends[0]?.kind === "lost" && heard.ends[0].code === 1008);
  assert.equal(socket.isAlive(), false);
});

test("notices a connection that breaks without a close frame", async (t) => {
  const server = await serve(t, (peer) => peer.terminate());
  const heard = listener(server);
  await openSocket(heard.options);
  await until(() => heard.ends.length > 0);
  assert.ok(heard.ends[0]?.kind === "lost" && heard.ends[0].code === 1006);
});

test("ends a half-open socket after one silent interval", async (t) => {
  const server = await serve(t, (peer) => peer.pause());
  const heard = listener(server, { pingIntervalMs: 50 });
  const socket = await openSocket(heard.options);
  const openedAt = performance.now();
  await until(() => heard.ends.length > 0);
  assert.equal(heard.ends[0]?.kind, "silent");
  assert.ok(performance.now() - openedAt >= 50);
  assert.equal(socket.isAlive(), false);
});

test("stays alive on pongs alone", async (t) => {
  let pings = 0;
  const server = await serve(t, (peer) => peer.on("ping", () => pings++));
  const heard = listener(server, { pingIntervalMs: 200 });
  const socket = await openSocket(heard.options);
  await until(() => pings >= 3);
  assert.deepEqual([socket.isAlive(), heard.ends], [true, []]);
  socket.close();
});

test("takes any message for life where the platform answers no ping", async (t) => {
  let pings = 0;
  const server = await serve(
    t,
    (peer) =>
      peer.on("ping", () => {
        pings++;
        peer.send("{}");
      }),
    undefined,
    false,
  );
  const heard = listener(server, { pingIntervalMs: 200 });
  const socket = await openSocket(heard.options);
  await until(() => pings >= 3);
  assert.deepEqual([socket.isAlive(), heard.ends], [true, []]);
  socket.close();
});

test("pings for the first time at a random point of the interval", async (t) => {
  const pingedAt: number[] = [];
  const server = await serve(t, (peer) => {
    const start = performance.now();
    peer.once("ping", () => pingedAt.push(performance.now() - start));
  });
  const opened = await Promise.all(
    Array.from({ length: 30 }, () => openSocket(listener(server, { pingIntervalMs: 600 }).options)),
  );
  await until(() => pingedAt.length === 30);
  for (const part of [0, 1]) {
    assert.ok(
      pingedAt.some((at) => Math.floor(at / 300) === part),
      `no first ping in half ${part}: ${pingedAt.join(" ")}`,
    );
  }
  opened.forEach((socket) => socket.close());
});

const frame = (first: number, payload: Buffer, length = payload.length): Buffer => {
  const head = Buffer.alloc(10);
  head[0] = first;
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
};
const BAD_FRAMES: { readonly [name: string]: readonly [Buffer, CloseReason["kind"]] } = {
  "a message over 256 KiB": [frame(0x81, Buffer.alloc(256 * 1024 + 1, "x")), "oversize"],
  "a message that claims 2^62 bytes": [Buffer.from([0x81, 127, 0x40, 0, 0, 0, 0, 0, 0, 0]), "oversize"],
  "a message in 100,000 fragments": [
    Buffer.concat([Buffer.from([0x01, 0]), ...Array.from({ length: 100_000 }, () => Buffer.from([0x00, 0]))]),
    "oversize",
  ],
  "bad UTF-8": [Buffer.from([0x81, 2, 0xc3, 0x28]), "protocol"],
  "compression that nobody agreed on": [Buffer.from([0xc1, 2, 0x4b, 0x04]), "protocol"],
  "an unknown kind of frame": [Buffer.from([0x83, 0]), "protocol"],
  "a masked frame": [Buffer.from([0x81, 0x81, 1, 2, 3, 4, 5]), "protocol"],
};
for (const [name, [bytes, kind]] of Object.entries(BAD_FRAMES)) {
  test(`ends a socket that sends ${name}, and hands nothing over`, async (t) => {
    const server = await serve(t, (peer) => rawOf(peer).write(bytes));
    const heard = listener(server);
    await openSocket(heard.options);
    await until(() => heard.ends.length > 0);
    assert.equal(heard.ends[0]?.kind, kind);
    assert.deepEqual(heard.frames, []);
    await until(() => server.open() === 0);
  });
}

test("takes a message of 256 KiB in several fragments", async (t) => {
  const half = Buffer.alloc(128 * 1024, "x");
  const server = await serve(t, (peer) => {
    peer.send(half, { binary: false, fin: false });
    peer.send(half, { binary: false, fin: true });
  });
  const heard = listener(server);
  const socket = await openSocket(heard.options);
  await until(() => heard.frames.length === 1);
  assert.equal(heard.frames[0]?.length, 256 * 1024);
  socket.close();
});

test("keeps up with 5,000 messages and loses none", async (t) => {
  const server = await serve(t, (peer) => {
    for (let n = 0; n < 5_000; n++) peer.send(`{"event":"WORKSPACE_HEARTBEAT","n":${n}}`);
  });
  const heard = listener(server);
  const socket = await openSocket(heard.options);
  await until(() => heard.frames.length === 5_000);
  socket.close();
});

test("tells its own close once, and hands nothing over after it", async (t) => {
  const server = await serve(t, (peer) => peer.on("close", () => undefined));
  const heard = listener(server);
  const socket = await openSocket(heard.options);
  socket.close();
  server.peers[0]?.send("too late");
  socket.close();
  await until(() => server.open() === 0);
  assert.deepEqual(
    heard.ends.map(({ kind }) => kind),
    ["stopped"],
  );
  assert.deepEqual(heard.frames, []);
  assert.equal(socket.isAlive(), false);
});

test("leaves no connection behind when it is closed against a frozen platform", async (t) => {
  const server = await serve(t, (peer) => peer.pause());
  const heard = listener(server);
  const socket = await openSocket(heard.options);
  const raw = rawOf(server.peers[0] as WebSocket);
  socket.close();
  assert.equal(heard.ends[0]?.kind, "stopped");
  // What is frozen hears nothing; only writing to a connection shows that its other end is gone.
  await until(() => raw.destroyed || (raw.write(frame(0x81, Buffer.from("{}"))) && false));
});

test("ends with the signal, before, during and after the handshake", async (t) => {
  const silent = await upgrades(t, () => undefined);
  const server = await serve(t);
  const isStopped = (error: unknown) => error instanceof SocketError && error.reason.kind === "stopped";
  await assert.rejects(openSocket(listener(server, { signal: AbortSignal.abort() }).options), isStopped);
  assert.equal(server.handshakes.length, 0);

  const during = new AbortController();
  const opening = openSocket(listener(silent, { signal: during.signal }).options);
  void until(() => silent.handshakes.length === 1).then(() => during.abort());
  await assert.rejects(opening, isStopped);
  await until(() => silent.open() === 0);

  const after = new AbortController();
  const heard = listener(server, { signal: after.signal });
  await openSocket(heard.options);
  after.abort();
  assert.deepEqual(
    heard.ends.map(({ kind }) => kind),
    ["stopped"],
  );
  await until(() => server.open() === 0);
});

test("waits with full jitter under 2 s doubling to 30 s", () => {
  const longest = [2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
  for (const [n, most] of longest.entries()) {
    assert.equal(
      backoffMs(n, () => 0),
      0,
    );
    assert.equal(
      backoffMs(n, () => 0.5),
      most / 2,
    );
    assert.ok(backoffMs(n, () => 0.999999) < most);
  }
  assert.ok(backoffMs(10_000, () => 0.999999) < 30_000);
});

test("asks again after a standing refusal, never in a hot loop and at least every 5 min", () => {
  for (let n = 0; n < 2_000; n++) {
    const least = handshakeBackoffMs(n, () => 0);
    assert.ok(least >= 15_000 && handshakeBackoffMs(n, () => 1) <= 300_000);
  }
  assert.equal(
    handshakeBackoffMs(0, () => 1),
    30_000,
  );
  assert.equal(
    handshakeBackoffMs(50, () => 1),
    300_000,
  );
  assert.deepEqual([401, 403, 404, 429, 500, 503].map(isStandingRefusal), [true, true, true, false, false, false]);
});

interface Peer {
  readonly url: string;
  readonly handshakes: readonly IncomingMessage[];
  readonly peers: readonly WebSocket[];
  /** Connections that are open now. */
  open(): number;
  stop(): Promise<void>;
}

/** A platform's socket that does with every client what the test says. */
function serve(
  t: TestContext,
  onOpen: (peer: WebSocket) => void = () => undefined,
  accepts: (request: IncomingMessage) => boolean = () => true,
  autoPong = true,
): Promise<Peer> {
  const sockets = new WebSocketServer({ noServer: true, autoPong });
  const peers: WebSocket[] = [];
  return upgrades(
    t,
    (connection, request, head) => {
      if (!accepts(request)) return void connection.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
      sockets.handleUpgrade(request, connection, head, (peer) => {
        peers.push(peer);
        peer.on("error", () => undefined);
        onOpen(peer);
      });
    },
    peers,
  );
}

function refuse(t: TestContext, status: number, header: string): Promise<Peer> {
  return upgrades(t, (connection) => void connection.end(`HTTP/1.1 ${status} X\r\n${header}Content-Length: 0\r\n\r\n`));
}

async function upgrades(
  t: TestContext,
  handler: (connection: Duplex, request: IncomingMessage, head: Buffer) => void,
  peers: readonly WebSocket[] = [],
): Promise<Peer> {
  const handshakes: IncomingMessage[] = [];
  const connections = new Set<Duplex>();
  const server: Server = createServer();
  server.on("connection", (connection: Duplex) => {
    connections.add(connection);
    connection.on("error", () => undefined);
    connection.on("close", () => connections.delete(connection));
  });
  server.on("upgrade", (request: IncomingMessage, connection: Duplex, head: Buffer) => {
    handshakes.push(request);
    // Node keeps its half of an ended connection open, and reads an upgraded one only where somebody listens.
    connection.on("end", () => connection.end());
    connection.resume();
    handler(connection, request, head);
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const stop = async (): Promise<void> => {
    connections.forEach((connection) => connection.destroy());
    await new Promise((resolve) => server.close(resolve));
  };
  t.after(stop);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    handshakes,
    peers,
    open: () => connections.size,
    stop,
  };
}

/** The connection below a peer, for frames that no library would send. */
function rawOf(peer: WebSocket): Duplex {
  return (peer as unknown as { _socket: Duplex })._socket;
}

function listener(server: { readonly url: string }, options: Partial<SocketOptions> = {}) {
  const frames: string[] = [];
  const ends: CloseReason[] = [];
  const all: SocketOptions = {
    url: socketUrl(server.url),
    workspaceId: "ws-1",
    token: tokenFrom({ token: "secret-1" }),
    onFrame: (text) => frames.push(text),
    onClose: (reason) => ends.push(reason),
    ...options,
  };
  return { options: all, frames, ends };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never came true: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
