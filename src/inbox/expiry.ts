import { messageOf } from "../domain/errors.ts";
import { AUTO_EXPIRED } from "../domain/names.ts";
import type { InboxLog } from "./log.ts";
import type { ApprovalStore } from "./store.ts";

/** How long after its end a request is closed here. Until then the one who asked closes it itself, with a better reason. */
export const DEFAULT_GRACE_MS = 60_000;
const LOOK_MS = 5_000;

export interface ExpiryParts {
  readonly store: ApprovalStore;
  readonly log: InboxLog;
  readonly now: () => number;
}

/**
 * Denies as `auto-expired` what is pending `graceMs` after its `expires_at`, until the returned function is called.
 * So that nobody approves what no one waits for, also where the worker is gone for good.
 */
export function startExpiry(graceMs: number, { store, log, now }: ExpiryParts): () => void {
  const expire = async () => {
    const decision = { status: "denied", decidedBy: AUTO_EXPIRED, decidedAtMs: now() } as const;
    for (const id of await store.expire(decision.decidedAtMs - graceMs, decision)) {
      log.info({ approval_id: id, status: "denied", decided_by: AUTO_EXPIRED }, "approval expired");
    }
  };
  const timer = setInterval(
    () => {
      expire().catch((error: unknown) => log.error({ error: messageOf(error) }, "could not expire approvals"));
    },
    Math.min(Math.max(graceMs, 10), LOOK_MS),
  );
  timer.unref();
  return () => clearInterval(timer);
}
