/** Why a socket is not open, as one value and one line for people. */
import { ApprovalError } from "../domain/errors.ts";
import { causeText } from "./cause.ts";

export type CloseReason =
  /** The handshake was answered with another status than 101. Redirects are refusals. */
  | { readonly kind: "refused"; readonly status: number; readonly text: string }
  /** The handshake failed or took too long. */
  | { readonly kind: "unreachable"; readonly text: string }
  /** Closed by the other side, or the connection broke. `code` is the close code, 1006 where there was none. */
  | { readonly kind: "lost"; readonly code: number; readonly text: string }
  /** No life for a whole ping interval. */
  | { readonly kind: "silent"; readonly text: string }
  /** A message over 256 KiB, or of too many pieces. It is lost: read the list. */
  | { readonly kind: "oversize"; readonly text: string }
  /** A frame that breaks the WebSocket protocol: bad UTF-8, compression that was not agreed on. */
  | { readonly kind: "protocol"; readonly text: string }
  /** `close()` or the signal. */
  | { readonly kind: "stopped"; readonly text: string };

/** The socket could not be opened. ERR_PLATFORM_REFUSED where the handshake was answered, else ERR_PLATFORM_UNREACHABLE. */
export class SocketError extends ApprovalError {
  readonly reason: CloseReason;

  constructor(reason: CloseReason) {
    super(reason.kind === "refused" ? "ERR_PLATFORM_REFUSED" : "ERR_PLATFORM_UNREACHABLE", reason.text);
    this.name = "SocketError";
    this.reason = reason;
  }
}

export function refusedReason(url: string, status: number, hasToken: boolean): CloseReason {
  let advice = "";
  if (status === 401) advice = hasToken ? "; check the token" : "; no token is configured, set one";
  if (status === 403) advice = "; check the token and PLATFORM_ORIGIN";
  if (status === 404 || (status >= 300 && status < 400))
    advice = "; check that PLATFORM_URL points at the platform itself";
  return { kind: "refused", status, text: `WebSocket ${url} was refused with ${status}${advice}` };
}

export function unreachableReason(url: string, cause: unknown): CloseReason {
  return {
    kind: "unreachable",
    text: `WebSocket ${url} could not be opened: ${causeText(cause)}; check that the platform is up`,
  };
}

/** What an error of an open socket means. */
export function brokenReason(url: string, error: Error): CloseReason {
  const { code } = error as { code?: unknown };
  const text = `WebSocket ${url} broke: ${causeText(error)}`;
  switch (code) {
    case "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH":
    case "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH":
    case "WS_ERR_TOO_MANY_BUFFERED_PARTS":
      return { kind: "oversize", text };
    default:
      return typeof code === "string" && code.startsWith("WS_ERR_")
        ? { kind: "protocol", text }
        : { kind: "lost", code: 1006, text };
  }
}
