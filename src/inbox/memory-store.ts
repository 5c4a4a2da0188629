import type { Approval, ApprovalStore, Decision } from "./store.ts";

/** A store that lives and dies with the process: for tests, examples and trying things out. It never drops an approval. */
export function createMemoryStore(): ApprovalStore {
  const shelves = new Map<string, Shelf>();
  /** Pending approvals of all workspaces, in order of creation. */
  const pending = new Map<string, Approval>();

  const settle = (approval: Approval, decision: Decision): Approval => {
    const decided: Approval = { ...approval, decision };
    const shelf = shelves.get(approval.workspaceId) as Shelf;
    shelf.approvals.set(approval.id, { approval: decided, order: (shelf.approvals.get(approval.id) as Entry).order });
    shelf.pending -= 1;
    pending.delete(approval.id);
    return decided;
  };

  return {
    async create(approval, maxPending) {
      const shelf = shelves.get(approval.workspaceId) ?? { approvals: new Map<string, Entry>(), ids: [], pending: 0 };
      if (shelf.pending >= maxPending) return "too_many_pending";
      shelves.set(approval.workspaceId, shelf);
      shelf.approvals.set(approval.id, { approval, order: shelf.ids.push(approval.id) });
      shelf.pending += 1;
      pending.set(approval.id, approval);
      return "created";
    },

    async list({ workspaceId, ids, limit }) {
      const shelf = shelves.get(workspaceId);
      if (shelf === undefined) return [];
      return [...new Set(ids ?? shelf.ids.slice(-limit))]
        .flatMap((id) => shelf.approvals.get(id) ?? [])
        .toSorted((one, other) => other.order - one.order)
        .slice(0, limit)
        .map(({ approval }) => approval);
    },

    async listPending(limit) {
      return [...pending.values()].slice(-limit).toReversed();
    },

    async decide(workspaceId, approvalId, decision) {
      const approval = pending.get(approvalId);
      if (approval === undefined || approval.workspaceId !== workspaceId) return "not_pending";
      settle(approval, decision);
      return "decided";
    },

    async expire(createdUntilMs, decision) {
      const old = [...pending.values()].filter(({ createdAtMs }) => createdAtMs <= createdUntilMs);
      return old.map((approval) => settle(approval, decision));
    },
  };
}

interface Entry {
  readonly approval: Approval;
  readonly order: number;
}

/** One workspace's approvals, and their ids in order of creation. */
interface Shelf {
  readonly approvals: Map<string, Entry>;
  readonly ids: string[];
  pending: number;
}
