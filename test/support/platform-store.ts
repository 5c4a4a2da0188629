/** What the test platform keeps: workspaces, approvals and its own clock. Rules: docs/protocol.md, "Create", "List", "Decide", "Expiry". */
import { randomUUID } from "node:crypto";

export interface WorkspaceOptions {
  /** The workspace's live token. Without one its REST routes and its socket need no token. */
  readonly token?: string;
  readonly parent?: string;
  /** Shown in the list of all pending approvals; the id by default. */
  readonly name?: string;
}

export interface Workspace {
  readonly id: string;
  readonly name: string;
  readonly parent: string | undefined;
  /** `undefined`: none needed. `null`: it had one, which was revoked. */
  token: string | null | undefined;
}

export interface PlatformApproval {
  readonly id: string;
  readonly workspace_id: string;
  readonly task_id: string;
  readonly action: string;
  readonly reason: string;
  readonly context: unknown;
  readonly status: "pending" | "approved" | "denied";
  readonly decided_by: string | null;
  /** RFC 3339 with up to six fraction digits, by the platform's clock. */
  readonly decided_at: string | null;
  readonly created_at: string;
}

export interface NewPlatformApproval {
  /** A fresh one by default. One that stands in another workspace already makes two approvals of equal id. */
  readonly id?: string;
  readonly action?: string;
  readonly reason?: string;
  readonly task_id?: string;
  readonly context?: unknown;
  readonly createdAt?: Date;
}

export interface DecideOptions {
  /** By the platform's clock; now by default. */
  readonly decidedAt?: Date;
  /** Which of several approvals of equal id is meant. By default the one that was made first. */
  readonly workspaceId?: string;
}

interface Kept {
  approval: PlatformApproval;
  readonly createdMicros: number;
}

export class PlatformStore {
  readonly workspaces = new Map<string, Workspace>();
  /** By id. More than one only where a test has asked for it. */
  readonly #approvals = new Map<string, Kept[]>();
  readonly #byWorkspace = new Map<string, Kept[]>();
  readonly #clockOffsetMs: number;
  #lastMicros = 0;

  constructor(clockOffsetMs: number) {
    this.#clockOffsetMs = clockOffsetMs;
  }

  nowMs(): number {
    return Date.now() + this.#clockOffsetMs;
  }

  /** Microseconds since the epoch, never the same twice, so that "newest first" is one order only. */
  nowMicros(): number {
    this.#lastMicros = Math.max(this.#lastMicros + 1, this.nowMs() * 1000 + Number(process.hrtime.bigint() % 1000n));
    return this.#lastMicros;
  }

  addWorkspace(id: string, options: WorkspaceOptions = {}): void {
    this.workspaces.set(id, { id, name: options.name ?? id, parent: options.parent, token: options.token });
  }

  create(workspaceId: string, wanted: NewPlatformApproval): PlatformApproval {
    const createdMicros = wanted.createdAt === undefined ? this.nowMicros() : wanted.createdAt.getTime() * 1000;
    const approval: PlatformApproval = {
      id: wanted.id ?? randomUUID(),
      workspace_id: workspaceId,
      task_id: wanted.task_id ?? "",
      action: wanted.action ?? "something else",
      reason: wanted.reason ?? "",
      context: wanted.context ?? null,
      status: "pending",
      decided_by: null,
      decided_at: null,
      created_at: rfc3339(createdMicros),
    };
    const kept: Kept = { approval, createdMicros };
    append(this.#approvals, approval.id, kept);
    append(this.#byWorkspace, workspaceId, kept);
    return approval;
  }

  find(approvalId: string, workspaceId?: string): PlatformApproval | undefined {
    return this.#kept(approvalId, workspaceId)?.approval;
  }

  /** In the order of creation. */
  of(workspaceId: string): PlatformApproval[] {
    return (this.#byWorkspace.get(workspaceId) ?? []).map((kept) => kept.approval);
  }

  newest(workspaceId: string, limit: number): PlatformApproval[] {
    return newestFirst(this.#byWorkspace.get(workspaceId) ?? [], limit);
  }

  newestPending(limit: number): PlatformApproval[] {
    return newestFirst(
      [...this.#approvals.values()].flat().filter((kept) => kept.approval.status === "pending"),
      limit,
    );
  }

  /** The first decision stands: false for an unknown approval and for any later decision. */
  decide(
    approvalId: string,
    decision: "approved" | "denied",
    decidedBy: string,
    { decidedAt, workspaceId }: DecideOptions = {},
  ): boolean {
    const kept = this.#kept(approvalId, workspaceId);
    if (kept === undefined || kept.approval.status !== "pending") return false;
    const decided_at = rfc3339(decidedAt === undefined ? this.nowMicros() : decidedAt.getTime() * 1000);
    kept.approval = { ...kept.approval, status: decision, decided_by: decidedBy, decided_at };
    return true;
  }

  /** Closes pending approvals that are at least so old, as the real platform does: denied by `auto-expired`. */
  expire(olderThanMs: number): void {
    const newest = (this.nowMs() - olderThanMs) * 1000;
    for (const { approval, createdMicros } of [...this.#approvals.values()].flat()) {
      const { id, workspace_id: workspaceId } = approval;
      if (olderThanMs === 0 || createdMicros <= newest) this.decide(id, "denied", "auto-expired", { workspaceId });
    }
  }

  #kept(approvalId: string, workspaceId: string | undefined): Kept | undefined {
    const isMeant = ({ approval }: Kept) => workspaceId === undefined || approval.workspace_id === workspaceId;
    return this.#approvals.get(approvalId)?.find(isMeant);
  }
}

/** As Go writes a time in UTC: zeros at the end of the fraction are dropped. `nanos` are three digits more. */
export function rfc3339(micros: number, nanos = ""): string {
  const seconds = new Date(Math.floor(micros / 1000)).toISOString().slice(0, 19);
  const fraction = `${String(micros % 1_000_000).padStart(6, "0")}${nanos}`.replace(/0+$/, "");
  return fraction === "" ? `${seconds}Z` : `${seconds}.${fraction}Z`;
}

function append(lists: Map<string, Kept[]>, key: string, kept: Kept): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [kept]);
  else list.push(kept);
}

function newestFirst(kept: readonly Kept[], limit: number): PlatformApproval[] {
  return kept
    .toSorted((one, other) => other.createdMicros - one.createdMicros)
    .slice(0, limit)
    .map((kept) => kept.approval);
}
