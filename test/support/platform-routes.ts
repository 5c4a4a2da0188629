/** REST and handshake rules of the test platform. Rules: docs/protocol.md, "Create", "List", "Decide", "Authentication". */
import type { Answer } from "./platform-faults.ts";
import type { PlatformApproval, PlatformStore } from "./platform-store.ts";

export interface RouteRules {
  readonly store: PlatformStore;
  /** The seed's contract instead of the real platform's. */
  readonly minimal: boolean;
  readonly adminToken: string | undefined;
  readonly listLimit: number;
  readonly answersIds: boolean;
  readonly requested: (approval: PlatformApproval) => Promise<void>;
  readonly decided: (approval: PlatformApproval) => void;
  readonly listed: (items: readonly object[]) => readonly unknown[];
}

export interface Asked {
  readonly method: string;
  /** Without the query: the real platform reads none. */
  readonly path: string;
  /** Of the query; [""] without. */
  readonly ids: readonly string[];
  readonly authorization: string | undefined;
  readonly body: string;
}

interface Body {
  readonly action?: unknown;
  readonly reason?: unknown;
  readonly task_id?: unknown;
  readonly context?: unknown;
  readonly decision?: unknown;
  readonly decided_by?: unknown;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const EXPIRY_MS = 600_000;

export const notFound: Answer = { status: 404, headers: { "content-type": "text/plain" }, body: "404 page not found" };

export function json(status: number, value: unknown): Answer {
  return { status, headers: { "content-type": "application/json; charset=utf-8" }, body: JSON.stringify(value) };
}

export async function answer(rules: RouteRules, asked: Asked): Promise<Answer> {
  if (asked.path === "/approvals/pending" && asked.method === "GET") return listPending(rules, asked);
  const [, workspaceId = "", approvalId] =
    /^\/workspaces\/([^/]+)\/approvals(?:\/([^/]+)\/decide)?$/.exec(asked.path)?.map(decodePart) ?? [];
  if (workspaceId === "") return notFound;
  if (rules.minimal && !rules.store.workspaces.has(workspaceId)) rules.store.addWorkspace(workspaceId);
  const isPost = asked.method === "POST";
  if (!isPost && (asked.method !== "GET" || approvalId !== undefined)) return notFound;
  const refused = refusal(rules, workspaceId, asked.authorization);
  if (refused !== undefined) return json(401, { error: refused });
  if (!isPost) return list(rules, workspaceId, asked.ids);
  return approvalId === undefined
    ? create(rules, workspaceId, asked.body)
    : decide(rules, workspaceId, approvalId, asked.body);
}

/** What answers a handshake instead of the upgrade; undefined lets it through. The admin token opens no workspace's socket. */
export function handshakeRefusal(
  rules: RouteRules,
  workspaceId: string | undefined,
  authorization: string | undefined,
): Answer | undefined {
  if (workspaceId === undefined) return undefined;
  const workspace = rules.store.workspaces.get(workspaceId);
  if (workspace === undefined && !rules.minimal && !UUID.test(workspaceId)) {
    return json(500, { error: "auth check failed" });
  }
  if (typeof workspace?.token !== "string") return undefined;
  const token = bearer(authorization);
  if (token === undefined) return json(401, { error: "missing workspace auth token" });
  return token === workspace.token ? undefined : json(401, { error: "invalid workspace auth token" });
}

function refusal(rules: RouteRules, workspaceId: string, authorization: string | undefined): string | undefined {
  const workspace = rules.store.workspaces.get(workspaceId);
  const needsNone = workspace !== undefined && workspace.token === undefined;
  const token = bearer(authorization);
  if (token === undefined) return needsNone ? undefined : "missing workspace auth token";
  if (token === rules.adminToken || token === workspace?.token) return undefined;
  return needsNone && rules.minimal ? undefined : "invalid workspace auth token";
}

/** The scheme is case-sensitive on the real platform. */
function bearer(authorization: string | undefined): string | undefined {
  return authorization?.startsWith("Bearer ") === true ? authorization.slice("Bearer ".length) : undefined;
}

async function create(rules: RouteRules, workspaceId: string, text: string): Promise<Answer> {
  const { action, reason = "", task_id = "", context } = objectOf(text);
  const known = typeof action === "string" && typeof reason === "string" && typeof task_id === "string";
  if (!known || action === "" || !(context === undefined || context === null || isObject(context))) {
    return json(400, { error: "invalid request body" });
  }
  if (!rules.store.workspaces.has(workspaceId) || [action, reason, task_id].some((part) => part.includes("\0"))) {
    return json(500, { error: "failed to create approval" });
  }
  const approval = rules.store.create(workspaceId, { action, reason, task_id, context });
  await rules.requested(approval);
  return json(201, rules.minimal ? { approval_id: approval.id } : { approval_id: approval.id, status: "pending" });
}

function list(rules: RouteRules, workspaceId: string, ids: readonly string[]): Answer {
  if (!rules.store.workspaces.has(workspaceId) && !UUID.test(workspaceId)) return json(500, { error: "query failed" });
  const newest =
    rules.answersIds && ids.join("") !== ""
      ? ids.flatMap((id) => rules.store.find(id, workspaceId) ?? [])
      : rules.store.newest(workspaceId, rules.listLimit);
  return json(200, rules.listed(newest.map(rules.minimal ? minimalItem : fullItem)));
}

function decide(rules: RouteRules, workspaceId: string, approvalId: string, text: string): Answer {
  const { decision, decided_by = "" } = objectOf(text);
  if (typeof decision !== "string" || decision === "" || typeof decided_by !== "string") {
    return json(400, { error: "invalid request body" });
  }
  if (decision !== "approved" && decision !== "denied") {
    return json(400, { error: "decision must be 'approved' or 'denied'" });
  }
  if (!UUID.test(approvalId)) return json(500, { error: "failed to update" });
  if (!rules.store.decide(approvalId, decision, decided_by === "" ? "human" : decided_by, { workspaceId })) {
    return json(404, { error: "approval not found or already decided" });
  }
  const approval = rules.store.find(approvalId, workspaceId);
  if (approval !== undefined) rules.decided(approval);
  return json(200, { approval_id: approvalId, status: decision });
}

function listPending(rules: RouteRules, asked: Asked): Answer {
  const tokens = [...rules.store.workspaces.values()].map((workspace) => workspace.token);
  const accepted = rules.adminToken === undefined ? tokens.filter((token) => typeof token === "string") : [];
  if (rules.adminToken !== undefined) accepted.push(rules.adminToken);
  const token = bearer(asked.authorization);
  if (accepted.length > 0 && token === undefined) return json(401, { error: "admin auth required" });
  if (accepted.length > 0 && !accepted.some((known) => known === token)) {
    return json(401, { error: "invalid admin auth token" });
  }
  rules.store.expire(EXPIRY_MS);
  return json(
    200,
    rules.store.newestPending(rules.listLimit).map((approval) => ({
      action: approval.action,
      created_at: approval.created_at,
      id: approval.id,
      reason: approval.reason,
      status: approval.status,
      workspace_id: approval.workspace_id,
      workspace_name: rules.store.workspaces.get(approval.workspace_id)?.name ?? "",
    })),
  );
}

function fullItem(approval: PlatformApproval): object {
  const { action, created_at, decided_at, decided_by, id, reason, status, task_id } = approval;
  return { action, created_at, decided_at, decided_by, id, reason, status, task_id };
}

function minimalItem({ id, status, decided_by }: PlatformApproval): object {
  return { id, status, decided_by };
}

function decodePart(part: string | undefined): string | undefined {
  try {
    return part === undefined ? undefined : decodeURIComponent(part);
  } catch {
    return part;
  }
}

function objectOf(text: string): Body {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
