import { STATUS_CODES, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { ApprovalError } from "../domain/errors.ts";
import { createApp } from "./app.ts";
import { startExpiry } from "./expiry.ts";
import { isRefusal, siteProblem, workspaceCaller, type Refusal } from "./guard.ts";
import { SILENT, type InboxLog } from "./log.ts";
import { addRoutes, refuse } from "./routes.ts";
import { createSockets } from "./sockets.ts";
import type { ApprovalStore } from "./store.ts";
import type { Tokens } from "./tokens.ts";
import type { InboxEvent } from "./wire.ts";

const LOOPBACK: readonly string[] = ["127.0.0.1", "localhost", "::1"];
const MAX_SOCKETS = 200;
const STOP_GRACE_MS = 1000;

export interface InboxOptions {
  /** 0 takes any free port. */
  readonly port: number;
  /** `127.0.0.1`, `localhost` (taken as 127.0.0.1) or `::1`. @default "127.0.0.1" */
  readonly host?: string;
  readonly store: ApprovalStore;
  readonly tokens: Tokens;
  /** @default none */
  readonly log?: InboxLog;
  /** The clock behind every time the inbox tells, `Date` header included: milliseconds since the epoch. @default Date.now */
  readonly now?: () => number;
  /** After this long a pending approval is denied by `auto-expired`, as the platform does after 10 minutes. @default never */
  readonly expireAfterMs?: number;
  /** A client that leaves a ping unanswered until the next one is cut off. @default 30000 */
  readonly pingIntervalMs?: number;
}

export interface Inbox {
  /** `http://127.0.0.1:<port>`: what PLATFORM_URL takes. */
  readonly url: string;
  readonly port: number;
  /** Closes the sockets with 1001, lets answers under way finish for a second, and leaves nothing open. The store is the caller's. */
  stop(): Promise<void>;
}

/**
 * Starts a platform of our own: the REST and the WebSocket of docs/protocol.md on one loopback port.
 * Throws ApprovalError ERR_CONFIG for any other host, for an expiry that is not above 0, and where the port cannot be had (`cause` says why).
 */
export async function startInbox(options: InboxOptions): Promise<Inbox> {
  const {
    port,
    host = "127.0.0.1",
    store,
    tokens,
    log = SILENT,
    now = Date.now,
    expireAfterMs,
    pingIntervalMs = 30_000,
  } = options;
  if (!LOOPBACK.includes(host)) {
    throw new ApprovalError(
      "ERR_CONFIG",
      `the inbox cannot listen on ${host}: it serves loopback only; use one of ${LOOPBACK.join(", ")}`,
    );
  }
  if (expireAfterMs !== undefined && !(expireAfterMs > 0)) {
    throw new ApprovalError(
      "ERR_CONFIG",
      `the inbox cannot expire approvals after ${expireAfterMs} ms; give a number above 0 or none`,
    );
  }

  const app = createApp(log);
  const sockets = createSockets({ pingIntervalMs, log });
  const parts = { store, tokens, log, now, publish: (event: InboxEvent) => sockets.publish(event) };
  let ownPort = port;
  let stopping: Promise<void> | undefined;

  app.addHook("onRequest", async (request, reply) => {
    const problem = siteProblem(request.raw, ownPort);
    if (problem !== undefined) return refuse(reply, problem);
  });
  app.addHook("onSend", async (_request, reply) => {
    reply.header("date", new Date(now()).toUTCString());
  });
  addRoutes(app, parts);

  const upgradeProblem = (request: IncomingMessage, workspaceId: string | undefined): Refusal | undefined => {
    const problem = siteProblem(request, ownPort);
    if (problem !== undefined) return problem;
    if (request.url?.split("?")[0] !== "/ws") return { status: 404, error: "404 page not found" };
    const caller = workspaceCaller(tokens, request.headers.authorization, workspaceId);
    if (isRefusal(caller)) return caller;
    if (stopping !== undefined) return { status: 503, error: "the inbox is stopping; connect again later" };
    if (sockets.count() >= MAX_SOCKETS)
      return { status: 503, error: `all ${MAX_SOCKETS} sockets are taken; close some first` };
    return undefined;
  };
  app.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const workspaceId = request.headers["x-workspace-id"]?.toString();
    const problem = upgradeProblem(request, workspaceId);
    if (problem !== undefined) refuseUpgrade(socket, problem);
    else sockets.accept(request, socket, head, workspaceId);
  });

  try {
    await app.listen({ port, host: host === "localhost" ? "127.0.0.1" : host });
  } catch (cause) {
    await Promise.all([sockets.close(), app.close()]);
    throw new ApprovalError("ERR_CONFIG", `the inbox cannot listen on ${host} port ${port}; choose another port`, {
      cause,
    });
  }
  ownPort = (app.server.address() as AddressInfo).port;
  const stopExpiry = expireAfterMs === undefined ? undefined : startExpiry(expireAfterMs, parts);

  const stop = async () => {
    stopExpiry?.();
    const force = setTimeout(() => app.server.closeAllConnections(), STOP_GRACE_MS);
    await Promise.all([sockets.close(), app.close()]);
    clearTimeout(force);
  };
  return {
    url: `http://${host === "::1" ? "[::1]" : "127.0.0.1"}:${ownPort}`,
    port: ownPort,
    stop: () => (stopping ??= stop()),
  };
}

function refuseUpgrade(socket: Duplex, { status, error }: Refusal): void {
  const body = JSON.stringify({ error });
  // The client may be gone already, and an error that nobody hears would end the process.
  socket.on("error", () => {});
  socket.once("finish", () => socket.destroy());
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      "Connection: close",
      "Content-Type: application/json; charset=utf-8",
      `Content-Length: ${Buffer.byteLength(body)}`,
      "",
      body,
    ].join("\r\n"),
  );
}
