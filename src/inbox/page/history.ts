/** What was decided, newest first, as far as it was read. */
import { listItems } from "./api.ts";
import type { Item } from "./item.ts";

export interface History {
  readonly items: readonly Item[];
  readonly total: number;
  readonly hasMore: boolean;
  readonly query: string;
  readonly state: "unread" | "reading" | "read" | "failed";
  /** Reads from the start. */
  read(): void;
  readMore(): void;
  /** Reads what has the text in it, once the typing pauses. */
  search(query: string): void;
}

const PAGE = 50;
const TYPING_PAUSE_MS = 200;

export function createHistory(changed: () => void, failed: (error: unknown) => void): History {
  let items: readonly Item[] = [];
  let total = 0;
  let next: string | undefined;
  let query = "";
  let state: History["state"] = "unread";
  let turn = 0;
  let typing: number | undefined;

  const load = async (cursor: string | undefined): Promise<void> => {
    const own = ++turn;
    state = "reading";
    changed();
    try {
      const page = await listItems({
        status: "decided",
        limit: PAGE,
        q: query,
        ...(cursor === undefined ? {} : { cursor }),
      });
      // An older answer that comes late must not replace a newer one.
      if (own !== turn) return;
      const known = new Set(cursor === undefined ? [] : items.map(({ id }) => id));
      items = [...(cursor === undefined ? [] : items), ...page.items.filter(({ id }) => !known.has(id))];
      ({ total, next } = { next: undefined, ...page });
      state = "read";
    } catch (error) {
      if (own !== turn) return;
      state = "failed";
      failed(error);
    }
    changed();
  };

  return {
    get items() {
      return items;
    },
    get total() {
      return total;
    },
    get hasMore() {
      return next !== undefined;
    },
    get query() {
      return query;
    },
    get state() {
      return state;
    },
    read: () => void load(undefined),
    readMore: () => void load(next),
    search(text) {
      query = text;
      clearTimeout(typing);
      typing = setTimeout(() => void load(undefined), TYPING_PAUSE_MS);
    },
  };
}
