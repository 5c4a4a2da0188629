/** What only the inbox has: the page's own routes, and the login. A reviewer's token does as well as a session (docs/inbox.md). */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { SESSION_COOKIE, type Callers } from "./callers.ts";
import type { BadTokens } from "./bad-tokens.ts";
import { cursorOf, parseCursor } from "./cursor.ts";
import { SESSION_HOURS, type Logins } from "./logins.ts";
import { sendNotice } from "./page-routes.ts";
import { isRefusal, refuse } from "./refusal.ts";
import { limitOf, MAX_IDS } from "./routes.ts";
import type { Sites } from "./sites.ts";
import type { ApprovalStore } from "./store.ts";
import { fullItem } from "./wire.ts";

const PAGE_LIMIT = 50;
const MAX_TEXT = 200;

export interface ApiParts {
  readonly store: ApprovalStore;
  readonly callers: Callers;
  readonly logins: Logins;
  readonly badTokens: BadTokens;
  readonly sites: () => Sites;
}

interface Query {
  readonly Querystring: { readonly [name: string]: string | string[] | undefined };
}

export function addApiRoutes(app: FastifyInstance, { store, callers, logins, badTokens, sites }: ApiParts): void {
  const reviewer = async (request: FastifyRequest, reply: FastifyReply) => {
    const caller = await callers.overAll(request.raw);
    if (isRefusal(caller)) return refuse(reply, caller);
    reply.header("cache-control", "no-store");
    request.caller = caller;
  };

  app.get("/api/me", { onRequest: reviewer }, async ({ caller }) => ({
    name: caller.kind === "reviewer" ? caller.name : "",
  }));

  app.get<Query>("/api/approvals", { onRequest: reviewer }, async ({ query }, reply) => {
    const { status = "pending", limit, cursor, q = "" } = query;
    const problem = (error: string) => refuse(reply, { status: 400, error });
    if (status !== "pending" && status !== "decided") return problem("status must be pending or decided");
    if (typeof q !== "string" || q.length > MAX_TEXT)
      return problem(`q must be one text of at most ${MAX_TEXT} characters`);
    const count = limitOf(limit, PAGE_LIMIT);
    if (count === undefined) return problem(`limit must be a whole number from 1 to ${MAX_IDS}`);
    const after = typeof cursor === "string" ? parseCursor(cursor) : undefined;
    if (cursor !== undefined && after === undefined) return problem("cursor is not one that this list has given");
    const { approvals, next, total } = await store.search({ status, text: q, limit: count, after });
    return { items: approvals.map(fullItem), ...(next === undefined ? {} : { next: cursorOf(next) }), total };
  });

  app.get<Query>("/login", async (request, reply) => {
    const address = request.raw.socket.remoteAddress ?? "";
    const retryAfterSeconds = badTokens.waitSeconds(address);
    if (retryAfterSeconds !== undefined)
      return refuse(reply, {
        status: 429,
        error: "too many wrong codes from this address; wait a minute",
        retryAfterSeconds,
      });
    const { code } = request.query;
    const session = typeof code === "string" ? await logins.redeem(code) : undefined;
    if (session === undefined) {
      badTokens.count(address);
      return sendNotice(reply, "bad-code");
    }
    const secure = sites().originOf(request.raw).startsWith("https:") ? "; Secure" : "";
    const lasting = `Max-Age=${SESSION_HOURS * 3_600}`;
    return reply
      .header("set-cookie", `${SESSION_COOKIE}=${session}; Path=/; HttpOnly; SameSite=Strict; ${lasting}${secure}`)
      .header("cache-control", "no-store")
      .redirect("/", 303);
  });
}
