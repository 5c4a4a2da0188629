/**
 * What `countersign inbox token` and `login` ask of a running inbox whose database only it can open. The operator's token is a
 * file in the data folder, for who may read that folder may do all this anyway.
 */
import { timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { ApprovalError } from "../domain/errors.ts";
import type { BadTokens } from "./bad-tokens.ts";
import type { Logins } from "./logins.ts";
import { refuse } from "./refusal.ts";
import { sha256, type Tokens } from "./tokens.ts";

const OWNER = z.object({ kind: z.enum(["agent", "reviewer"]), subject: z.string() });
const LOGIN = z.object({ token_id: z.string() });

export interface OperatorParts {
  readonly operatorToken: string;
  readonly tokens: Tokens;
  readonly logins: Logins;
  readonly badTokens: BadTokens;
}

export function addOperatorRoutes(
  app: FastifyInstance,
  { operatorToken, tokens, logins, badTokens }: OperatorParts,
): void {
  const expected = Buffer.from(sha256(operatorToken));
  const operator = async (request: FastifyRequest, reply: FastifyReply) => {
    const address = request.raw.socket.remoteAddress ?? "";
    const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    if (timingSafeEqual(Buffer.from(sha256(given)), expected)) return;
    const retryAfterSeconds = badTokens.waitSeconds(address);
    if (retryAfterSeconds !== undefined)
      return refuse(reply, {
        status: 429,
        error: "too many wrong tokens from this address; wait a minute",
        retryAfterSeconds,
      });
    badTokens.count(address);
    return refuse(reply, { status: 401, error: "this needs the operator's token, a file in the inbox's data folder" });
  };

  app.get("/operator/tokens", { onRequest: operator }, async () => ({ tokens: await tokens.list() }));

  app.post("/operator/tokens", { onRequest: operator }, async (request, reply) => {
    const owner = OWNER.safeParse(request.body);
    if (!owner.success) return refuse(reply, { status: 400, error: "invalid request body" });
    try {
      return await reply.code(201).send(await tokens.create(owner.data));
    } catch (error) {
      if (error instanceof ApprovalError) return refuse(reply, { status: 400, error: error.message });
      throw error;
    }
  });

  app.delete<{ Params: { id: string } }>("/operator/tokens/:id", { onRequest: operator }, async ({ params }) => ({
    revoked: await tokens.revoke(params.id),
  }));

  app.post("/operator/logins", { onRequest: operator }, async (request, reply) => {
    const login = LOGIN.safeParse(request.body);
    if (!login.success) return refuse(reply, { status: 400, error: "invalid request body" });
    return { code: (await logins.createCode(login.data.token_id)) ?? null };
  });
}
