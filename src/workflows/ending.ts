/** The ways out of one approval, as the workflow sees them. */
import type { Verdict } from "../domain/decision.ts";

/** What a reading of the platform settles. */
export type Final = Exclude<Verdict, { kind: "pending" | "absent" }> & {
  /** Of a decision: the last moment at which it would have counted, where the platform's own times judged it. */
  readonly deadline?: string;
};

/** How an approval ended, before it is put into words. */
export type Ending =
  | Final
  | { readonly kind: "timed_out"; readonly withdrawn: boolean }
  | { readonly kind: "cancelled"; readonly withdrawn?: boolean }
  | { readonly kind: "forbidden"; readonly error: string; readonly roles: readonly string[] }
  | { readonly kind: "failed"; readonly error: string; readonly reason?: "audit_failed" };
