import { visible } from "../../domain/visible.ts";
import type { Item } from "./item.ts";

/** Deciders that are no person, and what their no means (docs/protocol.md, "Expiry"; docs/agent-api.md). */
const OWN: Readonly<Record<string, string>> = {
  "auto-expired": "Expired: nobody decided in time",
  "countersign:timed_out": "Timed out: nobody decided in time",
  "countersign:cancelled": "Withdrawn by the agent",
  "countersign:duplicate": "Withdrawn: a duplicate",
  "countersign:orphaned": "Withdrawn: nobody waits for it any more",
  "countersign:failed": "Withdrawn: the request failed",
};

export type Tone = "granted" | "refused" | "closed";

export interface Outcome {
  readonly tone: Tone;
  readonly text: string;
}

/** How a decided approval ended, in one line. `me` is called "you". */
export function outcomeOf({ status, decided_by }: Item, me: string): Outcome {
  const by = decided_by ?? "";
  if (status !== "approved") {
    const own = Object.hasOwn(OWN, by)
      ? OWN[by]
      : by.startsWith("countersign:")
        ? `Withdrawn (${visible(by)})`
        : undefined;
    if (own !== undefined) return { tone: "closed", text: own };
  }
  const verb = status === "approved" ? "Approved" : "Denied";
  const who = by === "" ? "" : by === me ? " by you" : ` by ${visible(by)}`;
  return { tone: status === "approved" ? "granted" : "refused", text: `${verb}${who}` };
}
