import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { InboxEvent } from "./wire.ts";
import type { InboxLog } from "./log.ts";

/** Bytes that may wait for one client before it counts as slow. */
const MAX_BACKLOG = 1024 * 1024;
/** What a client says is ignored; this only bounds how much of it is read. */
const MAX_CLIENT_MESSAGE = 4 * 1024;
const CLOSE_GRACE_MS = 1000;

/** The open sockets, and who hears what. */
export interface Sockets {
  /** Open sockets. */
  count(): number;
  /** Completes the handshake of a request that was already let in. `workspaceId` undefined: hears every workspace. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, workspaceId: string | undefined): void;
  /** Sends an event to all who may hear it. A client too slow to take it is cut off, so that it reconnects and lists; it never misses one unknowingly. */
  publish(event: InboxEvent): void;
  /** Closes every socket with 1001, by force after a second. */
  close(): Promise<void>;
}

/** A client that leaves a ping unanswered for `pingIntervalMs` is cut off. */
export function createSockets({ pingIntervalMs, log }: { pingIntervalMs: number; log: InboxLog }): Sockets {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_CLIENT_MESSAGE,
  });
  const listeners = new Map<WebSocket, Listener>();

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

    accept(request, rawSocket, head, workspaceId) {
      server.handleUpgrade(request, rawSocket, head, (socket) => {
        const listener: Listener = { workspaceId, answered: true };
        listeners.set(socket, listener);
        socket.on("pong", () => (listener.answered = true));
        socket.on("close", () => listeners.delete(socket));
        // A protocol error of the client closes its socket; unheard, the event would end the process.
        socket.on("error", () => {});
      });
    },

    publish(event) {
      const frame = JSON.stringify(event);
      for (const [socket, { workspaceId }] of listeners) {
        if (workspaceId !== undefined && workspaceId !== event.workspace_id) continue;
        if (socket.bufferedAmount > MAX_BACKLOG) {
          log.warn(
            { workspace_id: workspaceId, waiting_bytes: socket.bufferedAmount },
            "closed a socket whose client reads too slowly",
          );
          // A close frame would wait behind the backlog.
          socket.terminate();
        } else {
          socket.send(frame);
        }
      }
    },

    async close() {
      clearInterval(pinging);
      const open = [...listeners.keys()];
      const closed = open.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
      for (const socket of open) socket.close(1001, "the inbox is stopping");
      const force = setTimeout(() => open.forEach((socket) => socket.terminate()), CLOSE_GRACE_MS);
      await Promise.all(closed);
      clearTimeout(force);
    },
  };
}

interface Listener {
  readonly workspaceId: string | undefined;
  answered: boolean;
}
