/** The listening half of the test platform: reads requests, lets faults act, and answers or upgrades. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";
import { misbehave, refuseUpgrade } from "./platform-faults.ts";
import type { Answer, FaultAnswer, Faults } from "./platform-faults.ts";

export interface LoggedRequest {
  readonly method: string;
  /** With the query. A handshake is `GET /ws`. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** As it came, "" where there was none. */
  readonly body: string;
  /** Milliseconds since the epoch, by this machine's clock. */
  readonly at: number;
}

export interface ServerDuties {
  /** Headers of every answer. */
  headers(): { readonly [name: string]: string };
  answer(request: LoggedRequest): Promise<Answer>;
  /** What answers a handshake instead of the upgrade; undefined lets it through. */
  handshakeRefusal(request: LoggedRequest): Answer | undefined;
  /** A fault of the kind "after" befalls the new socket: "hang" freezes it, any other cuts it. */
  connected(socket: WebSocket, request: LoggedRequest, fault: FaultAnswer | undefined): void;
}

type Misbehaviour = Exclude<FaultAnswer, { readonly delayMs: number }>;

export class PlatformServer {
  readonly #duties: ServerDuties;
  readonly #faults: Faults;
  readonly #log: (request: LoggedRequest) => void;
  readonly #upgrader = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  #running: { readonly server: Server; readonly connections: Set<Socket>; readonly ended: AbortController } | undefined;

  constructor(duties: ServerDuties, faults: Faults, log: (request: LoggedRequest) => void) {
    this.#duties = duties;
    this.#faults = faults;
    this.#log = log;
  }

  /** Listens on 127.0.0.1 and returns the port. */
  async start(wantedPort: number): Promise<number> {
    if (this.#running !== undefined) throw new Error("the test platform runs already");
    const connections = new Set<Socket>();
    const ended = new AbortController();
    // As the real platform, which never ends an idle connection.
    const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
      this.#serve(request, response, ended.signal).catch((error: unknown) => {
        // A test's own hook may have failed: its text should be seen.
        if (!response.headersSent) response.writeHead(500).end(String(error));
      });
    });
    server.on("upgrade", (request: IncomingMessage, connection: Duplex, head: Buffer) => {
      this.#upgrade(request, connection, head, ended.signal).catch(() => connection.destroy());
    });
    server.on("connection", (connection) => {
      connections.add(connection);
      connection.on("error", () => {});
      connection.on("close", () => connections.delete(connection));
    });
    server.listen(wantedPort, "127.0.0.1");
    await once(server, "listening");
    this.#running = { server, connections, ended };
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : wantedPort;
  }

  /** Cuts every connection, the upgraded ones too, and stops listening. Requests that wait for a delay change nothing more. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.ended.abort();
    const closed = once(running.server, "close");
    running.server.close();
    for (const connection of running.connections) connection.destroy();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse, ended: AbortSignal): Promise<void> {
    const asked = await logged(request);
    this.#log(asked);
    for (const [name, value] of Object.entries(this.#duties.headers())) response.setHeader(name, value);
    const rule = this.#faults.take(asked.method, asked.path);
    const before = rule?.when === "after" ? undefined : await afterDelay(rule?.answer, ended);
    if (before !== undefined) return misbehave(before, response, undefined);
    const usual = await this.#duties.answer(asked);
    const after = rule?.when === "after" ? await afterDelay(rule.answer, ended) : undefined;
    if (after !== undefined) return misbehave(after, response, usual);
    response.setHeader("Content-Length", Buffer.byteLength(usual.body));
    response.writeHead(usual.status, usual.headers).end(usual.body);
  }

  async #upgrade(request: IncomingMessage, connection: Duplex, head: Buffer, ended: AbortSignal): Promise<void> {
    const asked = await logged(request);
    this.#log(asked);
    const headers = this.#duties.headers();
    const refuse = (refusal: Answer): void =>
      refuseUpgrade(connection, { ...refusal, headers: { ...headers, ...refusal.headers } });
    const rule = this.#faults.take(asked.method, asked.path);
    const isAfter = rule?.when === "after";
    const before = isAfter ? undefined : await afterDelay(rule?.answer, ended);
    if (before === "hang") return;
    if (typeof before === "object" && "status" in before) return refuse({ headers: {}, body: "", ...before });
    if (before !== undefined) return void connection.destroy();
    const refusal = this.#duties.handshakeRefusal(asked);
    if (refusal !== undefined) return refuse(refusal);
    this.#upgrader.handleUpgrade(request, connection, head, (socket) => {
      this.#duties.connected(socket, asked, isAfter ? rule.answer : undefined);
    });
  }
}

/** What is left to do wrong once a delay has passed: nothing, for a fault that is a delay. */
async function afterDelay(fault: FaultAnswer | undefined, ended: AbortSignal): Promise<Misbehaviour | undefined> {
  if (typeof fault !== "object" || !("delayMs" in fault)) return fault;
  await delay(fault.delayMs, undefined, { signal: ended });
  return undefined;
}

async function logged(request: IncomingMessage): Promise<LoggedRequest> {
  const at = Date.now();
  const { method = "", url: path = "", headers } = request;
  const chunks: Buffer[] = [];
  // An upgrade has no body, and its stream belongs to the socket.
  if (headers.upgrade === undefined) for await (const chunk of request) chunks.push(chunk as Buffer);
  return { method, path, headers, body: Buffer.concat(chunks).toString("utf8"), at };
}
