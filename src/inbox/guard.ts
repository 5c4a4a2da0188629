/** Who may speak to the inbox at all: the checks that come before any body is read, for routes and the socket alike. */
import type { IncomingMessage } from "node:http";
import type { Caller, Tokens } from "./tokens.ts";

export interface Refusal {
  readonly status: number;
  /** The answer's `error`: what is wrong and what to do. */
  readonly error: string;
}

export function isRefusal(value: Caller | Refusal): value is Refusal {
  return "error" in value;
}

/**
 * Refuses a request whose Host is not this inbox on loopback (421) or whose Origin is another site's (403).
 * Against pages that reach loopback through a name of theirs, or open a socket across origins. A client that sends no Origin is no page.
 */
export function siteProblem({ headers, headersDistinct }: IncomingMessage, port: number): Refusal | undefined {
  const sites = ["127.0.0.1", "localhost", "[::1]"].flatMap((name) =>
    port === 80 ? [name, `${name}:80`] : [`${name}:${port}`],
  );
  const hosts = headersDistinct["host"] ?? [];
  if (hosts.length !== 1 || !sites.includes((hosts[0] as string).toLowerCase())) {
    return { status: 421, error: `this inbox answers only to loopback names; use http://127.0.0.1:${port}` };
  }
  if (headers.origin !== undefined && !sites.some((site) => headers.origin === `http://${site}`)) {
    return { status: 403, error: "requests from another origin are refused; send the inbox's own Origin or none" };
  }
  return undefined;
}

/** The caller of a workspace's route: its agent or any reviewer. Texts and statuses are the platform's (docs/protocol.md, "Authentication"). */
export function workspaceCaller(
  tokens: Tokens,
  authorization: string | undefined,
  workspaceId: string | undefined,
): Caller | Refusal {
  const token = bearer(authorization);
  if (token === undefined) return { status: 401, error: "missing workspace auth token" };
  const caller = tokens.identify(token);
  if (caller === undefined || (caller.kind === "agent" && caller.workspaceId !== workspaceId)) {
    return { status: 401, error: "invalid workspace auth token" };
  }
  return caller;
}

/** The caller of a route over all workspaces: a reviewer. */
export function reviewerCaller(tokens: Tokens, authorization: string | undefined): Caller | Refusal {
  const token = bearer(authorization);
  if (token === undefined) return { status: 401, error: "admin auth required" };
  const caller = tokens.identify(token);
  return caller?.kind === "reviewer" ? caller : { status: 401, error: "invalid admin auth token" };
}

function bearer(authorization: string | undefined): string | undefined {
  return /^Bearer (.+)$/.exec(authorization ?? "")?.[1];
}
