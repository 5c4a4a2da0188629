import { randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { OWN_DECIDER_PREFIX } from "../domain/names.ts";
import { isRefusal, reviewerCaller, workspaceCaller, type Refusal } from "./guard.ts";
import type { InboxLog } from "./log.ts";
import type { Approval, ApprovalStore, Decision } from "./store.ts";
import type { Caller, Tokens } from "./tokens.ts";
import {
  CREATE_BODY,
  DECIDE_BODY,
  MAX_COMMENT,
  decidedEvent,
  listItem,
  pendingItem,
  requestedEvent,
  type InboxEvent,
} from "./wire.ts";

/** Pending approvals that one workspace may have. */
export const MAX_PENDING = 1000;
/** Approvals that `?ids=` may name. */
export const MAX_IDS = 200;
const LIST_LIMIT = 50;
const RETRY_AFTER_SECONDS = 10;
const OWN_DECIDER = new RegExp(`^${OWN_DECIDER_PREFIX}[A-Za-z0-9._-]{1,64}$`);

const BAD_BODY: Refusal = { status: 400, error: "invalid request body" };

declare module "fastify" {
  interface FastifyRequest {
    /** Set before the body is read, on every route of an approval. */
    caller: Caller;
  }
}

export interface RouteParts {
  readonly store: ApprovalStore;
  readonly tokens: Tokens;
  readonly publish: (event: InboxEvent) => void;
  readonly log: InboxLog;
  readonly now: () => number;
}

interface InWorkspace {
  readonly Params: { readonly id: string };
}

/** The platform's routes (docs/protocol.md, "Create", "List", "Decide"), with the inbox's own rules on who may. */
export function addRoutes(app: FastifyInstance, { store, tokens, publish, log, now }: RouteParts): void {
  app.decorateRequest("caller");

  const admit = (request: FastifyRequest, reply: FastifyReply, caller: Caller | Refusal) => {
    if (isRefusal(caller)) return refuse(reply, caller);
    request.caller = caller;
  };
  const inWorkspace = async (request: FastifyRequest<InWorkspace>, reply: FastifyReply) =>
    admit(request, reply, workspaceCaller(tokens, request.headers.authorization, request.params.id));
  const overAll = async (request: FastifyRequest, reply: FastifyReply) =>
    admit(request, reply, reviewerCaller(tokens, request.headers.authorization));

  app.post<InWorkspace>("/workspaces/:id/approvals", { onRequest: inWorkspace }, async (request, reply) => {
    if (request.caller.kind !== "agent") {
      return refuse(reply, {
        status: 403,
        error: "a reviewer's token decides and does not ask; create with the agent token of the workspace",
      });
    }
    const body = CREATE_BODY.safeParse(request.body);
    if (!body.success) return refuse(reply, BAD_BODY);
    const { action, reason, task_id, context } = body.data;
    const approval: Approval = {
      id: randomUUID(),
      workspaceId: request.params.id,
      taskId: task_id ?? "",
      action,
      reason: reason ?? "",
      ...(context ? { context } : {}),
      createdAtMs: now(),
    };
    if ((await store.create(approval, MAX_PENDING)) === "too_many_pending") {
      reply.header("retry-after", RETRY_AFTER_SECONDS);
      return refuse(reply, {
        status: 429,
        error: `this workspace has ${MAX_PENDING} pending approvals; decide or withdraw some first`,
      });
    }
    publish(requestedEvent(approval));
    log.info({ workspace_id: approval.workspaceId, approval_id: approval.id }, "approval requested");
    return reply.code(201).send({ approval_id: approval.id, status: "pending" });
  });

  app.get<InWorkspace & { Querystring: { ids?: string | string[] } }>(
    "/workspaces/:id/approvals",
    { onRequest: inWorkspace },
    async (request, reply) => {
      const workspaceId = request.params.id;
      const named = request.query.ids;
      if (named === undefined) return (await store.list({ workspaceId, limit: LIST_LIMIT })).map(listItem);
      const ids = [...new Set([named].flat().flatMap((part) => part.split(",")))].filter((id) => id !== "");
      if (ids.length > MAX_IDS)
        return refuse(reply, { status: 400, error: `ids names ${ids.length} approvals, the limit is ${MAX_IDS}` });
      return (await store.list({ workspaceId, ids, limit: MAX_IDS })).map(listItem);
    },
  );

  app.post<{ Params: { id: string; approvalId: string } }>(
    "/workspaces/:id/approvals/:approvalId/decide",
    { onRequest: inWorkspace },
    async (request, reply) => {
      const { id: workspaceId, approvalId } = request.params;
      const decision = decisionOf(request.caller, request.body, now());
      if ("error" in decision) return refuse(reply, decision);
      if ((await store.decide(workspaceId, approvalId, decision)) === "not_pending") {
        return refuse(reply, { status: 404, error: "approval not found or already decided" });
      }
      publish(decidedEvent(workspaceId, approvalId, decision));
      const { status, decidedBy } = decision;
      log.info(
        { workspace_id: workspaceId, approval_id: approvalId, status, decided_by: decidedBy },
        "approval decided",
      );
      return { approval_id: approvalId, status };
    },
  );

  app.get("/approvals/pending", { onRequest: overAll }, async () =>
    (await store.listPending(LIST_LIMIT)).map(pendingItem),
  );
}

/** Answers with the platform's form of an error. */
export function refuse(reply: FastifyReply, { status, error }: Refusal): FastifyReply {
  return reply.code(status).send({ error });
}

/** What a decide body comes to in the mouth of this caller. A reviewer is named by the token, whatever the body claims. */
function decisionOf(caller: Caller, body: unknown, decidedAtMs: number): Decision | Refusal {
  const parsed = DECIDE_BODY.safeParse(body);
  if (!parsed.success) return BAD_BODY;
  const { decision: status, decided_by: claimed, comment } = parsed.data;
  if (status !== "approved" && status !== "denied")
    return { status: 400, error: "decision must be 'approved' or 'denied'" };
  if (comment && comment.length > MAX_COMMENT) {
    return { status: 400, error: `comment has ${comment.length} characters, the limit is ${MAX_COMMENT}` };
  }
  const rest = { decidedAtMs, ...(comment ? { comment } : {}) };
  if (caller.kind === "reviewer") return { status, decidedBy: caller.name, ...rest };
  if (status === "denied" && claimed && OWN_DECIDER.test(claimed)) return { status, decidedBy: claimed, ...rest };
  return {
    status: 403,
    error: `an agent's token may only withdraw: decision 'denied' with decided_by '${OWN_DECIDER_PREFIX}…'; to decide, use a reviewer's token`,
  };
}
