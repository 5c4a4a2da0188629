import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { InboxLog } from "./log.ts";
import type { InboxEvent } from "./wire.ts";

/** Bytes that may wait for one client before it counts as slow. */
const MAX_BACKLOG = 1024 * 1024;
/** What a client says is ignored; this only bounds how much of it is read. */
const MAX_CLIENT_MESSAGE = 4 * 1024;
const CLOSE_GRACE_MS = 1000;

/** The open sockets, and who hears what. */
export interface Sockets {
  /** Open sockets. */
  count(): number;
  /** Completes the handshake of a request that was already let in. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, listener: Listener): void;
  /** Sends an event to all who may hear it. A client too slow to take it is cut off, so that it reconnects and lists; it never misses one unknowingly. */
  publish(event: InboxEvent): void;
  /** Ends the sockets of a token that was revoked, and keeps the others. */
  closeOf(tokenId: string): void;
  /** Asks every client to come again. */
  closeAll(code: number, reason: string): void;
  /** Closes every socket with 1001, by force after a second. */
  close(): Promise<void>;
}

/** Who opened a socket. */
export interface Listener {
  /** `undefined`: hears every workspace. */
  readonly workspaceId: string | undefined;
  readonly tokenId: string;
  /** When it is heard no more, milliseconds since the epoch: the end of a session. */
  readonly endsMs?: number | undefined;
}

/** A client that leaves a ping unanswered for `pingIntervalMs` is cut off. */
export function createSockets({ pingIntervalMs, log }: { pingIntervalMs: number; log: InboxLog }): Sockets {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_CLIENT_MESSAGE,
  });
  const listeners = new Map<WebSocket, Listener & { answered: boolean }>();

  const pinging = setInterval(() => {
    for (const [socket, listener] of listeners) {
      if (!listener.answered) {
        socket.terminate();
        continue;
      }
      listener.answered = false;
      socket.ping();
    }
  }, pingIntervalMs);
  pinging.unref();

  return {
    count: () => listeners.size,

    accept(request, rawSocket, head, { workspaceId, tokenId, endsMs }) {
      server.handleUpgrade(request, rawSocket, head, (socket) => {
        const listener = { workspaceId, tokenId, answered: true };
        listeners.set(socket, listener);
        const ending =
          endsMs === undefined
            ? undefined
            : setTimeout(() => void end([socket], 1008, "the session is over"), endsMs - Date.now());
        socket.on("pong", () => (listener.answered = true));
        socket.on("close", () => {
          clearTimeout(ending);
          listeners.delete(socket);
        });
        // A protocol error of the client closes its socket; unheard, the event would end the process.
        socket.on("error", () => {});
      });
    },

    publish(event) {
      const plain = JSON.stringify(event.plain);
      const full = JSON.stringify(event.full);
      for (const [socket, { workspaceId }] of listeners) {
        if (workspaceId !== undefined && workspaceId !== event.workspaceId) continue;
        if (socket.bufferedAmount > MAX_BACKLOG) {
          log.warn(
            { workspace_id: workspaceId, waiting_bytes: socket.bufferedAmount },
            "closed a socket whose client reads too slowly",
          );
          // A close frame would wait behind the backlog.
          socket.terminate();
        } else {
          socket.send(workspaceId === undefined ? full : plain);
        }
      }
    },

    closeOf(revoked) {
      for (const [socket, { tokenId }] of listeners) {
        if (tokenId === revoked) void end([socket], 1008, "the token was revoked");
      }
    },

    closeAll: (code, reason) => void end([...listeners.keys()], code, reason),

    async close() {
      clearInterval(pinging);
      await end([...listeners.keys()], 1001, "the inbox is stopping");
    },
  };
}

/** Closes politely, and by force who has not gone after a second. */
async function end(open: readonly WebSocket[], code: number, reason: string): Promise<void> {
  const closed = open.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
  for (const socket of open) socket.close(code, reason);
  const force = setTimeout(() => open.forEach((socket) => socket.terminate()), CLOSE_GRACE_MS);
  await Promise.all(closed);
  clearTimeout(force);
}
