import { messageOf } from "../domain/errors.ts";
import { AUTO_EXPIRED } from "../domain/names.ts";
import type { InboxLog } from "./log.ts";
import type { ApprovalStore } from "./store.ts";
import { decidedEvent, type InboxEvent } from "./wire.ts";

export interface ExpiryParts {
  readonly store: ApprovalStore;
  readonly publish: (event: InboxEvent) => void;
  readonly log: InboxLog;
  readonly now: () => number;
}

/**
 * Denies as `auto-expired` what stays pending for `afterMs`, looking at least once a second, until the returned function is called.
 * As the platform does (docs/protocol.md, "Expiry"), but by a clock of its own, and with an event.
 */
export function startExpiry(afterMs: number, { store, publish, log, now }: ExpiryParts): () => void {
  const expire = async () => {
    const decision = { status: "denied", decidedBy: AUTO_EXPIRED, decidedAtMs: now() } as const;
    for (const { workspaceId, id } of await store.expire(decision.decidedAtMs - afterMs, decision)) {
      publish(decidedEvent(workspaceId, id, decision));
      log.info(
        { workspace_id: workspaceId, approval_id: id, status: "denied", decided_by: AUTO_EXPIRED },
        "approval expired",
      );
    }
  };
  const timer = setInterval(
    () => {
      expire().catch((error: unknown) => log.error({ error: messageOf(error) }, "could not expire approvals"));
    },
    Math.min(afterMs, 1000),
  );
  timer.unref();
  return () => clearInterval(timer);
}
