/** Who sends a request: a token in its Authorization header, or a browser's session. Asked before any body is read, for routes and the socket alike. */
import type { IncomingMessage } from "node:http";
import type { BadTokens } from "./bad-tokens.ts";
import type { Logins } from "./logins.ts";
import type { Refusal } from "./refusal.ts";
import type { Sites } from "./sites.ts";
import { sha256, type Caller, type Tokens } from "./tokens.ts";

export const SESSION_COOKIE = "countersign_session";
const SESSION = new RegExp(`(?:^|; ?)${SESSION_COOKIE}=([A-Za-z0-9_-]+)(?:;|$)`);
/** Tokens that were right and may go on while their address is refused for another's guesses. */
const MAX_GOOD = 10_000;

export type Reviewer = Extract<Caller, { kind: "reviewer" }>;

export interface Callers {
  /** The caller of a workspace's route: its agent or any reviewer. Texts and statuses are the platform's (docs/protocol.md, "Authentication"). */
  inWorkspace(request: IncomingMessage, workspaceId: string | undefined): Promise<Caller | Refusal>;
  /** The caller of a route over all workspaces: a reviewer. */
  overAll(request: IncomingMessage): Promise<Reviewer | Refusal>;
  /** True for a browser with a reviewer's session. */
  isSignedIn(request: IncomingMessage): Promise<boolean>;
}

export interface CallerParts {
  readonly tokens: Tokens;
  readonly logins: Logins;
  readonly badTokens: BadTokens;
  /** Known once the inbox listens. */
  readonly sites: () => Sites;
}

export function createCallers({ tokens, logins, badTokens, sites }: CallerParts): Callers {
  const good = new Set<string>();

  const identify = async (request: IncomingMessage, token: string): Promise<Caller | Refusal | undefined> => {
    const address = request.socket.remoteAddress ?? "";
    const hash = sha256(token);
    const retryAfterSeconds = good.has(hash) ? undefined : badTokens.waitSeconds(address);
    if (retryAfterSeconds !== undefined)
      return { status: 429, error: "too many wrong tokens from this address; wait a minute", retryAfterSeconds };
    const caller = await tokens.identify(token);
    if (caller === undefined) {
      good.delete(hash);
      badTokens.count(address);
    } else if (good.size < MAX_GOOD) good.add(hash);
    return caller;
  };

  const callerOf = async (request: IncomingMessage): Promise<Caller | Refusal | "nobody" | undefined> => {
    const { authorization, cookie } = request.headers;
    if (authorization !== undefined) {
      const token = /^Bearer (.+)$/.exec(authorization)?.[1];
      return token === undefined ? "nobody" : identify(request, token);
    }
    const session = sessionOf(cookie);
    if (session === undefined) return "nobody";
    return forgeryProblem(request, sites().originOf(request)) ?? logins.identify(session);
  };

  return {
    async inWorkspace(request, workspaceId) {
      const caller = await callerOf(request);
      if (caller === "nobody") return { status: 401, error: "missing workspace auth token" };
      if (caller === undefined || ("kind" in caller && caller.kind === "agent" && caller.workspaceId !== workspaceId))
        return { status: 401, error: "invalid workspace auth token" };
      return caller;
    },
    async overAll(request) {
      const caller = await callerOf(request);
      if (caller === "nobody") return { status: 401, error: "admin auth required" };
      if (caller === undefined || ("kind" in caller && caller.kind === "agent"))
        return { status: 401, error: "invalid admin auth token" };
      return caller;
    },
    async isSignedIn({ headers }) {
      const session = sessionOf(headers.cookie);
      return session !== undefined && (await logins.identify(session)) !== undefined;
    },
  };
}

/**
 * Refuses what another site could make a browser send with our cookie. SameSite=Strict alone does not: another port of the same
 * host is the same site. What changes something needs a header that no foreign page can set, and a socket its Origin.
 */
function forgeryProblem({ method, headers }: IncomingMessage, ownOrigin: string): Refusal | undefined {
  const { origin, upgrade, "sec-fetch-site": site } = headers;
  const reads = method === "GET" && upgrade === undefined;
  const foreign =
    (origin !== undefined && origin !== ownOrigin) ||
    (site !== undefined && site !== "same-origin" && !(reads && site === "none"));
  const anonymous = !reads && origin === undefined && (upgrade !== undefined || site === undefined);
  if (foreign || anonymous)
    return { status: 403, error: "a browser's session counts only for requests of the inbox's own page" };
  if (!reads && upgrade === undefined && headers["x-countersign"] !== "1")
    return { status: 403, error: "a browser's session needs the header X-Countersign: 1 to change anything" };
  return undefined;
}

function sessionOf(cookie: string | undefined): string | undefined {
  return SESSION.exec(cookie ?? "")?.[1];
}
