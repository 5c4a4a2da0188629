/** The hints that a request has heard. Bounded: a flood of forged signals must cost nothing but its own history. */
import type { Hint } from "./ports.ts";

const KEPT = 20;

/** The hint in a signal's payload; `undefined` for any other shape. */
export function parseHint(payload: unknown): Hint | undefined {
  if (typeof payload !== "object" || payload === null) return undefined;
  const { approval_id, status, decided_by, decided_at, source, proof } = payload as Record<string, unknown>;
  if (typeof approval_id !== "string" || approval_id === "" || approval_id.length > 256) return undefined;
  if (status !== "approved" && status !== "denied") return undefined;
  if (source !== "socket" && source !== "sweep" && source !== "manual") return undefined;
  for (const optional of [decided_by, decided_at, proof]) {
    if (optional !== undefined && optional !== null && (typeof optional !== "string" || optional.length > 1024))
      return undefined;
  }
  return {
    approval_id,
    status,
    source,
    ...(typeof decided_by === "string" ? { decided_by } : {}),
    ...(typeof decided_at === "string" ? { decided_at } : {}),
    ...(typeof proof === "string" ? { proof } : {}),
  };
}

export interface HintBox {
  /** True from a hint until the reading that answers it begins. */
  fresh: boolean;
  heard: number;
  ignored: number;
  /** The latest distinct ones; those with a proof stay longest. */
  kept: readonly Hint[];
}

export function emptyHintBox(): HintBox {
  return { fresh: false, heard: 0, ignored: 0, kept: [] };
}

/** Takes one signal in. */
export function hear(box: HintBox, payload: unknown): void {
  const hint = parseHint(payload);
  if (hint === undefined) {
    box.ignored++;
    return;
  }
  box.heard++;
  box.fresh = true;
  if (box.kept.some((one) => sameHint(one, hint))) return;
  const kept = [...box.kept, hint];
  if (kept.length > KEPT) {
    const victim = kept.findIndex((one) => one.proof === undefined);
    kept.splice(Math.max(victim, 0), 1);
  }
  box.kept = kept;
}

function sameHint(a: Hint, b: Hint): boolean {
  return (
    a.approval_id === b.approval_id && a.status === b.status && a.decided_by === b.decided_by && a.proof === b.proof
  );
}
