/** The platform's WebSocket, opened once and watched until it ends (docs/protocol.md, "Socket"). Dialling again is the caller's. */
import { WebSocket, type RawData } from "ws";
import { brokenReason, refusedReason, SocketError, unreachableReason, type CloseReason } from "./close-reason.ts";
import { startPulse, type Pulse } from "./pulse.ts";
import { credentialHeaders, isAuthRefusal, type Credentials } from "./sender.ts";
import { baseUrl } from "./url.ts";

export interface SocketOptions extends Credentials {
  /** From `socketUrl`. */
  readonly url: string;
  /** Sent as `X-Workspace-ID`. Without it the platform would send every workspace's events. */
  readonly workspaceId: string;
  /** Default 15,000. A socket that shows no life for one interval is ended. */
  readonly pingIntervalMs?: number | undefined;
  /** Limit of the whole handshake. Default 10,000. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** Every text message, in order. Not called any more after `close()`. */
  readonly onFrame: (text: string) => void;
  /** A binary message, which the protocol does not know: it is dropped, and the socket stays open. */
  readonly onBinary?: (() => void) | undefined;
  /** Called once, after a socket that was open has ended. */
  readonly onClose: (reason: CloseReason) => void;
  /** Ends the handshake or the socket. */
  readonly signal?: AbortSignal | undefined;
}

export interface Socket {
  /** True while it is open and something was heard within two ping intervals. */
  isAlive(): boolean;
  /** True where the handshake carried a bearer token. */
  readonly authenticated: boolean;
  close(): void;
}

const MAX_MESSAGE_BYTES = 256 * 1024;
/** How long a polite close waits for the other side. */
const CLOSING_MS = 1_000;

/** PLATFORM_URL as the socket's: http becomes ws, https becomes wss, the path prefix stays, `/ws` is added. */
export function socketUrl(platformUrl: string): string {
  return `${baseUrl(platformUrl).replace(/^http/, "ws")}/ws`;
}

/**
 * Opens one socket. Rejects with SocketError where that fails; `onClose` is then not called.
 * A 401 or 403 makes it read the token file again and, where that brought another token, try once more.
 */
export async function openSocket(options: SocketOptions): Promise<Socket> {
  const token = options.token.current();
  try {
    return await dial(options, token);
  } catch (error) {
    if (!(error instanceof SocketError && error.reason.kind === "refused" && isAuthRefusal(error.reason.status)))
      throw error;
    await options.token.reread();
    const fresh = options.token.current();
    if (fresh === token) throw error;
    return dial(options, fresh);
  }
}

function dial(options: SocketOptions, token: string | undefined): Promise<Socket> {
  const { url, signal, pingIntervalMs = 15_000, handshakeTimeoutMs = 10_000 } = options;
  const stopped: CloseReason = { kind: "stopped", text: `WebSocket ${url} was closed by us` };
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(new SocketError(stopped));
    const socket = new WebSocket(url, {
      headers: { ...credentialHeaders(options, token), "X-Workspace-ID": options.workspaceId },
      followRedirects: false,
      perMessageDeflate: false,
      maxPayload: MAX_MESSAGE_BYTES,
    });
    let ended = false;
    let pulse: Pulse | undefined;
    const handshake = setTimeout(
      () => end(unreachableReason(url, `no handshake within ${handshakeTimeoutMs} ms`)),
      handshakeTimeoutMs,
    );

    function end(reason: CloseReason): void {
      if (ended) return;
      ended = true;
      clearTimeout(handshake);
      signal?.removeEventListener("abort", close);
      if (reason.kind !== "stopped") socket.terminate();
      if (pulse === undefined) return reject(new SocketError(reason));
      pulse.stop();
      options.onClose(reason);
    }

    function close(): void {
      if (ended) return;
      const impatient = setTimeout(() => socket.terminate(), CLOSING_MS);
      socket.once("close", () => clearTimeout(impatient));
      socket.close(1000);
      end(stopped);
    }

    signal?.addEventListener("abort", close, { once: true });
    socket.on("unexpected-response", (request, response) => {
      request.destroy();
      end(refusedReason(url, response.statusCode ?? 0, token !== undefined));
    });
    // Stays for the socket's whole life: ending it may raise further errors, and an error without a listener ends the process.
    socket.on("error", (error) => end(pulse === undefined ? unreachableReason(url, error) : brokenReason(url, error)));
    socket.on("close", (code) => end({ kind: "lost", code, text: `WebSocket ${url} was closed with ${code}` }));
    socket.on("message", (data, isBinary) => {
      if (ended) return;
      if (isBinary) options.onBinary?.();
      else options.onFrame(textOf(data));
    });
    socket.on("open", () => {
      if (ended) return;
      clearTimeout(handshake);
      const silence: CloseReason = { kind: "silent", text: `WebSocket ${url} showed no life for ${pingIntervalMs} ms` };
      const beating = startPulse(socket, pingIntervalMs, () => end(silence));
      pulse = beating;
      resolve({ isAlive: () => beating.isAlive(), authenticated: token !== undefined, close });
    });
  });
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString("utf8");
  return (data instanceof ArrayBuffer ? Buffer.from(data) : data).toString("utf8");
}
