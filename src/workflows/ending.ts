/** The ways out of one approval, as the workflow sees them. */
import type { WaitEnding } from "../domain/wait-moves.ts";

/** How an approval ended, before it is put into words. */
export type Ending =
  | WaitEnding
  /** Cancelled before there was an approval to withdraw. */
  | { readonly kind: "cancelled"; readonly withdrawn?: boolean }
  | { readonly kind: "forbidden"; readonly error: string; readonly roles: readonly string[] }
  | { readonly kind: "failed"; readonly error: string; readonly reason?: "audit_failed" };
