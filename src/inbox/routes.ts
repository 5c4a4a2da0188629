import { createHash, randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { isId } from "../domain/names.ts";
import type { Callers } from "./callers.ts";
import { cursorOf, parseCursor } from "./cursor.ts";
import { decisionOf } from "./decide.ts";
import type { InboxLog } from "./log.ts";
import { isRefusal, refuse, type Refusal } from "./refusal.ts";
import type { Approval, ApprovalStore, Repeat, StatusFilter } from "./store.ts";
import type { Caller } from "./tokens.ts";
import { CREATE_BODY, fullItem, listItem, pendingItem } from "./wire.ts";

/** Pending approvals that one workspace may have. */
export const MAX_PENDING = 1000;
/** Approvals that `?ids=` may name, and a page may have. */
export const MAX_IDS = 200;
const LIST_LIMIT = 50;
/**
 * What the platform's list tells here beyond its newest 50: a bridge that was away learns from it what was decided meanwhile,
 * and would else miss the decision of an older approval.
 */
const DECIDED_LAST = 150;
const RETRY_AFTER_SECONDS = 10;
const STATUSES: readonly StatusFilter[] = ["pending", "approved", "denied", "decided"];

const BAD_BODY: Refusal = { status: 400, error: "invalid request body" };

declare module "fastify" {
  interface FastifyRequest {
    /** Set before the body is read, on every route of an approval. */
    caller: Caller;
  }
}

export interface RouteParts {
  readonly store: ApprovalStore;
  readonly callers: Callers;
  readonly log: InboxLog;
  readonly now: () => number;
}

interface InWorkspace {
  readonly Params: { readonly id: string };
}

type ListQuery = Omit<Parameters<ApprovalStore["list"]>[0], "workspaceId">;

interface OfApproval {
  readonly Params: { readonly id: string; readonly approvalId: string };
}

interface Listed extends InWorkspace {
  readonly Querystring: { readonly [name: string]: string | string[] | undefined };
}

/** The platform's routes (docs/protocol.md, "Create", "List", "Decide"), with the inbox's own rules on who may. */
export function addRoutes(app: FastifyInstance, { store, callers, log, now }: RouteParts): void {
  app.decorateRequest("caller");

  const admit = (request: FastifyRequest, reply: FastifyReply, caller: Caller | Refusal) => {
    if (isRefusal(caller)) return refuse(reply, caller);
    request.caller = caller;
  };
  const inWorkspace = async (request: FastifyRequest<InWorkspace>, reply: FastifyReply) =>
    admit(request, reply, await callers.inWorkspace(request.raw, request.params.id));
  const overAll = async (request: FastifyRequest, reply: FastifyReply) =>
    admit(request, reply, await callers.overAll(request.raw));

  app.post<InWorkspace>("/workspaces/:id/approvals", { onRequest: inWorkspace }, async (request, reply) => {
    if (request.caller.kind !== "agent") {
      return refuse(reply, {
        status: 403,
        error: "a reviewer's token decides and does not ask; create with the agent token of the workspace",
      });
    }
    const asked = approvalIn(request.body, request.params.id, now());
    if (isRefusal(asked)) return refuse(reply, asked);
    const repeat = repeatOf(request, asked);
    if (repeat !== undefined && isRefusal(repeat)) return refuse(reply, repeat);

    const creation = await store.create(asked, MAX_PENDING, repeat);
    if (creation.kind === "too_many_pending") {
      const error = `this workspace has ${MAX_PENDING} pending approvals; decide or withdraw some first`;
      return refuse(reply, { status: 429, error, retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    if (creation.kind === "other_body")
      return refuse(reply, { status: 409, error: "this Idempotency-Key was used for another body; use a new key" });
    const { approval, isNew } = creation;
    if (isNew) log.info({ workspace_id: approval.workspaceId, approval_id: approval.id }, "approval requested");
    return reply.code(201).send({ approval_id: approval.id, status: approval.decision?.status ?? "pending" });
  });

  app.get<Listed>("/workspaces/:id/approvals", { onRequest: inWorkspace }, async (request, reply) => {
    const workspaceId = request.params.id;
    const query = listQuery(request.query);
    if (query !== "platform" && isRefusal(query)) return refuse(reply, query);
    if (!isId(workspaceId)) return [];
    if (query === "platform") return (await store.listRecent(workspaceId, LIST_LIMIT, DECIDED_LAST)).map(listItem);
    const { approvals, next } = await store.list({ workspaceId, ...query });
    if (next !== undefined) reply.header("x-next-cursor", cursorOf(next));
    return approvals.map(listItem);
  });

  app.get<OfApproval>("/workspaces/:id/approvals/:approvalId", { onRequest: inWorkspace }, async (request, reply) => {
    const { id, approvalId } = request.params;
    const approval = isId(id) ? await store.get(id, approvalId) : undefined;
    return approval === undefined ? refuse(reply, { status: 404, error: "approval not found" }) : fullItem(approval);
  });

  app.post<OfApproval>(
    "/workspaces/:id/approvals/:approvalId/decide",
    { onRequest: inWorkspace },
    async (request, reply) => {
      const { id: workspaceId, approvalId } = request.params;
      const decision = decisionOf(request.caller, request.body, now());
      if (isRefusal(decision)) return refuse(reply, decision);
      if (!isId(workspaceId) || (await store.decide(workspaceId, approvalId, decision)) === "not_pending")
        return refuse(reply, { status: 404, error: "approval not found or already decided" });
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

function approvalIn(value: unknown, workspaceId: string, createdAtMs: number): Approval | Refusal {
  const body = CREATE_BODY.safeParse(value);
  if (!body.success) return BAD_BODY;
  const { action, reason, task_id, context, timeout_seconds } = body.data;
  return {
    id: randomUUID(),
    workspaceId,
    taskId: task_id ?? "",
    action,
    reason: reason ?? "",
    ...(context ? { context } : {}),
    createdAtMs,
    ...(timeout_seconds ? { expiresAtMs: createdAtMs + timeout_seconds * 1000 } : {}),
  };
}

function repeatOf(request: FastifyRequest, asked: Approval): Repeat | Refusal | undefined {
  const key = request.headers["idempotency-key"];
  if (key === undefined) return undefined;
  if (typeof key !== "string" || !/^[!-~]{1,255}$/.test(key))
    return { status: 400, error: "Idempotency-Key must be 1 to 255 visible ASCII characters" };
  const { action, reason, taskId, context, createdAtMs, expiresAtMs } = asked;
  const timeoutMs = expiresAtMs === undefined ? null : expiresAtMs - createdAtMs;
  const said = JSON.stringify([action, reason, taskId, context ?? null, timeoutMs]);
  return { key, bodySha256: createHash("sha256").update(said).digest("hex") };
}

/** The query of a list; without any part of ours it is the platform's own. */
function listQuery(query: Listed["Querystring"]): ListQuery | "platform" | Refusal {
  const { ids: named, status, limit, cursor } = query;
  if ([named, status, limit, cursor].every((part) => part === undefined)) return "platform";
  const problem = (error: string): Refusal => ({ status: 400, error });
  const ids =
    named === undefined
      ? undefined
      : [...new Set([named].flat().flatMap((part) => part.split(",")))].filter((id) => id !== "");
  if (ids !== undefined && ids.length > MAX_IDS)
    return problem(`ids names ${ids.length} approvals, the limit is ${MAX_IDS}`);
  const wanted = STATUSES.find((one) => one === status);
  if (status !== undefined && wanted === undefined) return problem(`status must be one of ${STATUSES.join(", ")}`);
  const count = limitOf(limit, ids === undefined ? LIST_LIMIT : MAX_IDS);
  if (count === undefined) return problem(`limit must be a whole number from 1 to ${MAX_IDS}`);
  const after = typeof cursor === "string" ? parseCursor(cursor) : undefined;
  if (cursor !== undefined && after === undefined) return problem("cursor is not one that this list has given");
  return { ...(ids === undefined ? {} : { ids }), status: wanted, limit: count, after };
}

/** `undefined` for a text that is no limit of a page. */
export function limitOf(text: string | readonly string[] | undefined, fallback: number): number | undefined {
  if (text === undefined) return fallback;
  const limit = typeof text === "string" && /^\d{1,3}$/.test(text) ? Number(text) : 0;
  return limit >= 1 && limit <= MAX_IDS ? limit : undefined;
}
