/** Keeps a click from landing on another thing than the one that was under the pointer a moment ago. */

/** How long the buttons of a card that appeared, moved or changed do nothing. */
export const SETTLE_MS = 800;
/** Less than this is a rounding of the layout. */
const STILL_PX = 2;

export interface Guard {
  /** Whether the buttons of the card may act. False for a card that was never measured. */
  isArmed(id: string): boolean;
  /** Looks where the buttons of all cards stand now; true where some have to wait. `changed` is called when they no longer have to. */
  measure(root: ParentNode): boolean;
  /** Everything has to settle again. */
  disarmAll(): void;
}

interface Spot {
  readonly top: number;
  readonly left: number;
  readonly armedAtMs: number;
}

export function createGuard(changed: () => void): Guard {
  let spots = new Map<string, Spot>();
  let timer: number | undefined;

  const armLater = (): void => {
    const now = performance.now();
    const next = Math.min(...[...spots.values()].map(({ armedAtMs }) => armedAtMs).filter((at) => at > now));
    clearTimeout(timer);
    if (next !== Infinity) {
      timer = setTimeout(
        () => {
          changed();
          armLater();
        },
        next - now + 1,
      );
    }
  };

  return {
    isArmed: (id) => performance.now() >= (spots.get(id)?.armedAtMs ?? Infinity),
    measure(root) {
      const now = performance.now();
      const measured = new Map<string, Spot>();
      let moved = false;
      for (const row of root.querySelectorAll<HTMLElement>("[data-decide]")) {
        const id = row.dataset["decide"] ?? "";
        const box = row.getBoundingClientRect();
        // Of the page and not of the window: a person who scrolls knows what moves.
        const [top, left] = [box.top + scrollY, box.left + scrollX];
        const old = spots.get(id);
        const still = old !== undefined && Math.abs(old.top - top) < STILL_PX && Math.abs(old.left - left) < STILL_PX;
        moved ||= !still;
        measured.set(id, still ? old : { top, left, armedAtMs: now + SETTLE_MS });
      }
      spots = measured;
      if (moved) armLater();
      return moved;
    },
    disarmAll() {
      const armedAtMs = performance.now() + SETTLE_MS;
      spots = new Map([...spots].map(([id, spot]) => [id, { ...spot, armedAtMs }]));
      armLater();
      changed();
    },
  };
}
