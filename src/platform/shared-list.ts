/**
 * One list call for everyone who asks at the same time. Requests that wait for the same workspace all read the same list,
 * and the platform counts calls per address (docs/protocol.md, "Rate limit").
 */
import { ApprovalError } from "../domain/errors.ts";
import type { Listing, Platform } from "../domain/platform-port.ts";

export interface SharedListOptions {
  /** Least time between the starts of two calls for one workspace. Default 200, which is five a second. */
  readonly minIntervalMs?: number;
  /** Most ids in one call. Default 100. */
  readonly maxIds?: number;
}

export interface SharedList {
  /**
   * A list call that started after this was called, shared with others who ask for the same workspace; it starts at once where
   * none started in the last interval. `ids` are what the answer must cover; none means the newest 50. With more than `maxIds`
   * ids several calls are made and their answers put together. Rejects as `Platform.list` does; an aborted signal takes only this
   * caller away and rejects with its reason.
   */
  read(workspaceId: string, ids: readonly string[], signal?: AbortSignal): Promise<Listing>;
}

interface Waiter {
  readonly ids: readonly string[];
  resolve(listing: Listing): void;
  reject(reason: Error): void;
}

interface Queue {
  readonly waiting: Set<Waiter>;
  lastStart: number;
  scheduled: boolean;
}

export function createSharedList(platform: Pick<Platform, "list">, options: SharedListOptions = {}): SharedList {
  const { minIntervalMs = 200, maxIds = 100 } = options;
  const queues = new Map<string, Queue>();

  function queueOf(workspaceId: string): Queue {
    let queue = queues.get(workspaceId);
    if (queue === undefined) {
      queue = { waiting: new Set(), lastStart: -Infinity, scheduled: false };
      queues.set(workspaceId, queue);
    }
    return queue;
  }

  function schedule(workspaceId: string, queue: Queue): void {
    if (queue.scheduled || queue.waiting.size === 0) return;
    queue.scheduled = true;
    const fire = () => {
      queue.scheduled = false;
      // A timer may come a little early by this clock.
      if (queue.lastStart + minIntervalMs > performance.now()) schedule(workspaceId, queue);
      else start(workspaceId, queue);
    };
    const delay = queue.lastStart + minIntervalMs - performance.now();
    // A microtask, so that everyone who asks in this turn shares the call.
    if (delay > 0) setTimeout(fire, Math.ceil(delay));
    else queueMicrotask(fire);
  }

  function start(workspaceId: string, queue: Queue): void {
    const { callers, ids } = nextBatch(queue.waiting, maxIds);
    if (callers.length > 0) {
      queue.lastStart = performance.now();
      platform.list(workspaceId, ids).then(
        (listing) => callers.forEach((caller) => caller.resolve(listing)),
        (error: Error) => callers.forEach((caller) => caller.reject(error)),
      );
    }
    schedule(workspaceId, queue);
  }

  function readOnce(workspaceId: string, ids: readonly string[], signal: AbortSignal | undefined): Promise<Listing> {
    const queue = queueOf(workspaceId);
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        queue.waiting.delete(waiter);
        reject(signal?.reason as Error);
      };
      const done = () => signal?.removeEventListener("abort", onAbort);
      const waiter: Waiter = {
        ids,
        resolve(listing) {
          done();
          resolve(listing);
        },
        reject(reason) {
          done();
          reject(reason);
        },
      };
      if (signal?.aborted === true) return onAbort();
      signal?.addEventListener("abort", onAbort, { once: true });
      queue.waiting.add(waiter);
      schedule(workspaceId, queue);
    });
  }

  return {
    async read(workspaceId, ids, signal) {
      const pages = pagesOf([...new Set(ids)], maxIds);
      return merged(await Promise.all(pages.map((page) => readOnce(workspaceId, page, signal))));
    },
  };
}

/** Takes waiters in their order while their ids fit. A caller without ids wants the newest 50, which a call with ids would not answer. */
function nextBatch(waiting: Set<Waiter>, maxIds: number): { callers: Waiter[]; ids: string[] } {
  const callers: Waiter[] = [];
  const ids = new Set<string>();
  for (const waiter of waiting) {
    const withIds = waiter.ids.length > 0;
    if (callers.length > 0 && withIds !== ids.size > 0) continue;
    const added = waiter.ids.filter((id) => !ids.has(id));
    if (ids.size + added.length > maxIds) continue;
    added.forEach((id) => ids.add(id));
    callers.push(waiter);
    waiting.delete(waiter);
  }
  return { callers, ids: [...ids] };
}

function pagesOf(ids: readonly string[], size: number): (readonly string[])[] {
  const pages: (readonly string[])[] = [];
  for (let at = 0; at < ids.length; at += size) pages.push(ids.slice(at, at + size));
  return pages.length === 0 ? [[]] : pages;
}

/** A platform that does not know `?ids=` answers every page with the same items, so repetitions are dropped. */
function merged(listings: readonly Listing[]): Listing {
  const [first, ...others] = listings;
  if (first === undefined) throw new ApprovalError("ERR_PLATFORM_UNREADABLE", "No list was read");
  return others.reduce((all, next) => {
    const known = new Set(all.items.map((item) => JSON.stringify(item)));
    const dateMs = next.date_ms ?? all.date_ms;
    return {
      items: [...all.items, ...next.items.filter((item) => !known.has(JSON.stringify(item)))],
      capped: all.capped || next.capped,
      echoes: all.echoes ?? next.echoes,
      ...(dateMs === undefined ? {} : { date_ms: dateMs }),
      rejected: all.rejected + next.rejected,
    };
  }, first);
}
