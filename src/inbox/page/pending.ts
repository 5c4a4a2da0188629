/** The approvals that wait, as far as they were read, and those that were decided a moment ago. */
import { byDeadline, type Item } from "./item.ts";

export interface Entry {
  readonly item: Item;
  /** It is no longer pending, and how it ended is not known. */
  readonly gone?: true;
}

export interface Pending {
  /** Oldest deadline first. */
  readonly entries: readonly Entry[];
  /** All that wait, read or not. */
  readonly total: number;
  /** There are more to read, from this cursor on. */
  readonly next: string | undefined;
  /** Takes what was read from the start of the list: what should stand in it and does not is gone. */
  replace(items: readonly Item[], total: number, next: string | undefined): void;
  /** Takes a further page. */
  append(items: readonly Item[], total: number, next: string | undefined): void;
  /** A new request. True where it is shown, false where it stands beyond what was read. */
  add(item: Item): boolean;
  /** A decision. Answers the item as it now stands, `undefined` where it is not shown. */
  settle(id: string, change: Partial<Item>): Item | undefined;
  /** A request that turned out to be decided, nobody knows how. */
  markGone(id: string): void;
  remove(id: string): void;
  get(id: string): Entry | undefined;
}

export function createPending(): Pending {
  const byId = new Map<string, Entry>();
  let sorted: readonly Entry[] | undefined;
  let total = 0;
  let next: string | undefined;

  const put = (entry: Entry): void => {
    byId.set(entry.item.id, entry);
    sorted = undefined;
  };
  const waits = (entry: Entry): boolean => entry.item.status === "pending" && entry.gone === undefined;
  const last = (): Item | undefined => pending.entries.findLast(waits)?.item;

  const pending: Pending = {
    get entries() {
      return (sorted ??= [...byId.values()].toSorted((one, other) => byDeadline(one.item, other.item)));
    },
    get total() {
      return total;
    },
    get next() {
      return next;
    },
    replace(items, newTotal, newNext) {
      const read = new Set(items.map(({ id }) => id));
      const end = items.at(-1);
      for (const entry of byId.values()) {
        if (!waits(entry) || read.has(entry.item.id)) continue;
        // What lies beyond the page that was read comes back with the next one.
        if (newNext !== undefined && end !== undefined && byDeadline(entry.item, end) > 0) byId.delete(entry.item.id);
        else byId.set(entry.item.id, { ...entry, gone: true });
      }
      pending.append(items, newTotal, newNext);
    },
    append(items, newTotal, newNext) {
      for (const item of items) {
        const known = byId.get(item.id);
        // A decision that was heard while the list was read is the newer news.
        if (known === undefined || known.item.status === "pending") put({ item });
      }
      sorted = undefined;
      total = newTotal;
      next = newNext;
    },
    add(item) {
      if (byId.has(item.id)) return true;
      total += 1;
      const end = last();
      if (next !== undefined && end !== undefined && byDeadline(item, end) > 0) return false;
      put({ item });
      return true;
    },
    settle(id, change) {
      const known = byId.get(id);
      if (known === undefined) return undefined;
      if (waits(known)) total = Math.max(0, total - 1);
      const item = { ...known.item, ...change };
      put({ item });
      return item;
    },
    markGone(id) {
      const known = byId.get(id);
      if (known === undefined || !waits(known)) return;
      total = Math.max(0, total - 1);
      put({ ...known, gone: true });
    },
    remove(id) {
      byId.delete(id);
      sorted = undefined;
    },
    get: (id) => byId.get(id),
  };
  return pending;
}
