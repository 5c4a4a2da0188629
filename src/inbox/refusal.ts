import type { FastifyReply } from "fastify";

/** Why a request is not served. */
export interface Refusal {
  readonly status: number;
  /** The answer's `error`: what is wrong and what to do. */
  readonly error: string;
  readonly retryAfterSeconds?: number;
}

export function isRefusal(value: object): value is Refusal {
  return "error" in value;
}

/** Answers with the platform's form of an error. */
export function refuse(reply: FastifyReply, { status, error, retryAfterSeconds }: Refusal): FastifyReply {
  if (retryAfterSeconds !== undefined) reply.header("retry-after", retryAfterSeconds);
  return reply.code(status).send({ error });
}
