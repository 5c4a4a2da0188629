/**
 * Turns what the platform tells into signals. Used by the bridge (events and lists) and by the sweep (lists).
 * At least once and in any order is enough: a signal is only a hint, and the workflow reads for itself.
 */
import { WorkflowNotFoundError, type Client } from "@temporalio/client";
import { messageOf } from "../domain/errors.ts";
import { DECIDED_SIGNAL, isOwnDecider } from "../domain/names.ts";
import type { ListItem, Listing, Platform } from "../domain/platform-port.ts";
import type { Hint } from "../domain/ports.ts";
import type { Log } from "../log.ts";
import { isOrphan, reportIfLate } from "./closed-workflow.ts";
import type { Directory, Target } from "./directory.ts";
import { createMemory } from "./memory.ts";
import { createUnmatched } from "./unmatched.ts";

/** A decision as somebody told it. */
export type Told = Omit<Hint, "source" | "proof">;

export interface Delivery {
  /** One event of a socket. `prove` makes the proof where the socket was authenticated. */
  event(workspaceId: string, told: Told, prove?: (taskId: string) => string): Promise<void>;
  /** A whole list: signals what is decided, withdraws what is pending for nobody, reports what came too late. */
  reconcile(workspaceId: string, listing: Listing, source: "socket" | "sweep"): Promise<void>;
}

export interface DeliveryDependencies {
  readonly client: Client;
  readonly directory: Directory;
  readonly platform: Platform;
  readonly log: Log;
}

const REMEMBERED = 10_000;
const DELIVERED_MS = 5 * 60_000;
/** How long a pending item's workflow is taken to be running still. */
const CHECKED_MS = 15_000;

export function createDelivery({ client, directory, platform, log }: DeliveryDependencies): Delivery {
  const delivered = createMemory(REMEMBERED, DELIVERED_MS);
  const settled = createMemory(REMEMBERED);
  const checked = createMemory(REMEMBERED, CHECKED_MS);
  /** Decisions of a list that nobody here asked for. */
  const strangers = createMemory(REMEMBERED, DELIVERED_MS);

  /** True where a workflow has it now, or had ended before. */
  const signal = async (target: Target, hint: Hint): Promise<"delivered" | "closed"> => {
    try {
      await client.workflow.getHandle(target.workflowId).signal(DECIDED_SIGNAL, hint);
      return "delivered";
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return "closed";
      throw error;
    }
  };

  const deliverItem = async (workspaceId: string, item: ListItem, source: "socket" | "sweep"): Promise<void> => {
    if (item.status === "pending") return;
    const key = keyOf(workspaceId, item);
    if (delivered.has(key) || settled.has(key) || strangers.has(key)) return;
    const target = item.task_id
      ? directory.learn(workspaceId, item.approval_id, item.task_id)
      : await directory.find(workspaceId, item.approval_id);
    const { approval_id, status, decided_by, decided_at } = item;
    if (target === undefined) {
      // On a platform that echoes no task id a list cannot tell a stranger's approval from one whose memo is not visible yet.
      if (!item.task_id) unmatched.park(workspaceId, { approval_id, status, decided_by, source });
      return;
    }
    const hint: Hint = { approval_id, status, decided_by, ...(decided_at === undefined ? {} : { decided_at }), source };
    if ((await handOver(workspaceId, target, hint)) === "delivered") return delivered.add(key);
    await reportIfLate(client, workspaceId, item);
    settled.add(key);
  };

  const unmatched = createUnmatched(
    async (workspaceId, hint) => {
      try {
        const target = await directory.find(workspaceId, hint.approval_id);
        if (target === undefined) return "nobody";
        if ((await signal(target, hint)) === "delivered") delivered.add(keyOf(workspaceId, hint));
        return "matched";
      } catch {
        return "unreachable";
      }
    },
    (workspaceId, hint) => {
      strangers.add(keyOf(workspaceId, hint));
      log.info({ approval_id: hint.approval_id }, "dropped a decision that belongs to no request known here");
    },
  );

  /** A connected stream lists only once a minute, so what Temporal cannot take now does not wait for the next list. */
  const handOver = async (workspaceId: string, target: Target, hint: Hint): Promise<"delivered" | "closed"> => {
    try {
      return await signal(target, hint);
    } catch (error) {
      unmatched.park(workspaceId, hint);
      throw error;
    }
  };

  const withdrawOrphan = async (workspaceId: string, item: ListItem): Promise<void> => {
    const key = `${workspaceId}/${item.approval_id}`;
    if (checked.has(key)) return;
    directory.learn(workspaceId, item.approval_id, item.task_id);
    if (await isOrphan(client, workspaceId, item)) {
      const answer = await platform.decide(workspaceId, item.approval_id, "denied", "countersign:orphaned");
      log.info({ approval_id: item.approval_id, answer: answer.kind }, "withdrew an approval that nobody waits for");
    }
    checked.add(key);
  };

  const guarded = async (what: string, approvalId: string, act: () => Promise<void>): Promise<void> => {
    try {
      await act();
    } catch (error) {
      log.warn({ approval_id: approvalId, error: messageOf(error) }, `${what} failed; it is tried again`);
    }
  };

  return {
    async event(workspaceId, told, prove) {
      const key = keyOf(workspaceId, told);
      if (delivered.has(key) || settled.has(key) || isOwnDecider(told.decided_by ?? "")) return;
      await guarded("signalling a decision", told.approval_id, async () => {
        // Where Temporal does not answer this rejects, and the decision is tried again like one that belongs to nobody yet.
        const target = await directory.find(workspaceId, told.approval_id).catch(() => undefined);
        if (target === undefined) return unmatched.park(workspaceId, { ...told, source: "socket" });
        const proof = target.taskId === undefined ? undefined : prove?.(target.taskId);
        const hint: Hint = { ...told, source: "socket", ...(proof === undefined ? {} : { proof }) };
        if ((await handOver(workspaceId, target, hint)) === "delivered") delivered.add(key);
      });
    },
    async reconcile(workspaceId, listing, source) {
      for (const item of listing.items) {
        await guarded("delivering a decision", item.approval_id, () => deliverItem(workspaceId, item, source));
      }
      for (const item of listing.items.filter((one) => one.status === "pending")) {
        await guarded("checking a pending approval", item.approval_id, () => withdrawOrphan(workspaceId, item));
      }
    },
  };
}

function keyOf(workspaceId: string, told: Told | ListItem): string {
  return `${workspaceId}/${told.approval_id}/${told.status}`;
}
