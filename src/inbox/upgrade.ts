/** Lets a socket in, or tells why not. */
import { STATUS_CODES, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { messageOf } from "../domain/errors.ts";
import type { Callers } from "./callers.ts";
import type { InboxLog } from "./log.ts";
import { isRefusal, type Refusal } from "./refusal.ts";
import type { Sites } from "./sites.ts";
import type { Listener, Sockets } from "./sockets.ts";

const MAX_SOCKETS = 200;

export interface UpgradeParts {
  readonly callers: Callers;
  readonly sites: () => Sites;
  readonly sockets: Sockets;
  readonly log: InboxLog;
  /** Why no socket can be opened now. */
  readonly unavailable: () => string | undefined;
}

export type OnUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export function createUpgrade({ callers, sites, sockets, log, unavailable }: UpgradeParts): OnUpgrade {
  const listenerOf = async (request: IncomingMessage): Promise<Listener | Refusal> => {
    const problem = sites().problemOf(request);
    if (problem !== undefined) return problem;
    if (request.url?.split("?")[0] !== "/ws") return { status: 404, error: "404 page not found" };
    const workspaceId = request.headers["x-workspace-id"]?.toString();
    // Without a workspace every event is heard, which is a reviewer's.
    const caller = await callers.inWorkspace(request, workspaceId);
    if (isRefusal(caller)) return caller;
    const { tokenId } = caller;
    return { workspaceId, tokenId, endsMs: caller.kind === "reviewer" ? caller.sessionEndsMs : undefined };
  };

  return (request, socket, head) => {
    // The client may leave at any time, and an error that nobody hears would end the process.
    const ignore = (): void => {};
    socket.on("error", ignore);
    listenerOf(request).then(
      (listener) => {
        if (isRefusal(listener)) return refuseUpgrade(socket, listener);
        const reason = unavailable();
        if (reason !== undefined) return refuseUpgrade(socket, { status: 503, error: reason });
        if (sockets.count() >= MAX_SOCKETS)
          return refuseUpgrade(socket, {
            status: 503,
            error: `all ${MAX_SOCKETS} sockets are taken; close some first`,
          });
        socket.off("error", ignore);
        sockets.accept(request, socket, head, listener);
      },
      (error: unknown) => {
        log.error({ error: messageOf(error) }, "could not open a socket");
        refuseUpgrade(socket, { status: 503, error: "the inbox could not read its tokens; see its log" });
      },
    );
  };
}

function refuseUpgrade(socket: Duplex, { status, error, retryAfterSeconds }: Refusal): void {
  const body = JSON.stringify({ error });
  socket.once("finish", () => socket.destroy());
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      "Connection: close",
      "Content-Type: application/json; charset=utf-8",
      "X-Content-Type-Options: nosniff",
      ...(retryAfterSeconds === undefined ? [] : [`Retry-After: ${retryAfterSeconds}`]),
      `Content-Length: ${Buffer.byteLength(body)}`,
      "",
      body,
    ].join("\r\n"),
  );
}
