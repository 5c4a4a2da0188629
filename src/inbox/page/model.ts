/** What the page knows and how it learns of it. The views only read it. */
import { createAnnouncer, type Announcer } from "./announcer.ts";
import { decide, listItems, ServerError, whoAmI } from "./api.ts";
import { createHistory, type History } from "./history.ts";
import { liveEvent, type Item, type LiveEvent } from "./item.ts";
import { openLive, type Live } from "./live.ts";
import { outcomeOf } from "./outcome.ts";
import { createPending, type Pending } from "./pending.ts";
import { visible } from "../../domain/visible.ts";

export type Link = "connecting" | "live" | "lost" | "signed-out";
export type View = "waiting" | "history";

/** How a decision that was sent from here went. */
export type Sent = "taken" | "too-late" | "no-answer" | { readonly refused: string };

export interface Model {
  readonly me: string;
  readonly link: Link;
  readonly view: View;
  /** The list was read at least once. */
  readonly isRead: boolean;
  readonly pending: Pending;
  readonly history: History;
  readonly announcer: Announcer;
  show(view: View): void;
  readMore(): void;
  decide(item: Item, decision: "approved" | "denied", comment: string): Promise<Sent>;
}

const PAGE = 50;
const LARGEST_PAGE = 200;
/** How long a decided card stays before it leaves the list. */
const STAY_MS = 6_000;
const STAY_MORE_MS = 1_000;
const PULSE_MS = 20_000;

/** `isInUse` says whether a person is at work on a card; such a card does not leave yet. */
export function startModel(changed: () => void, isInUse: (id: string) => boolean): Model {
  let me = "";
  let link: Link = "connecting";
  let view: View = "waiting";
  let isRead = false;
  /** Events that came while the list was being read: they are newer than it. */
  let early: LiveEvent[] | undefined;
  let reading = 0;
  let moreIsComing = false;
  const pending = createPending();
  const announcer = createAnnouncer(changed);
  const history = createHistory(changed, (error) => failed(error));

  const failed = (error: unknown): void => {
    if (error instanceof ServerError && error.status === 401) signOut();
    else if (link === "live") live.giveUp();
  };
  const signOut = (): void => {
    live.stop();
    link = "signed-out";
    changed();
  };

  const readList = async (): Promise<void> => {
    const own = ++reading;
    early = [];
    try {
      const limit = Math.min(LARGEST_PAGE, Math.max(PAGE, pending.entries.length));
      const [name, page] = await Promise.all([whoAmI(), listItems({ status: "pending", limit })]);
      if (own !== reading) return;
      me = name;
      pending.replace(page.items, page.total, page.next);
      for (const { item, gone } of pending.entries) if (gone) leaveLater(item.id);
      const newer = early;
      early = undefined;
      newer.forEach(take);
      if (link === "lost") announcer.say("Connected again");
      link = "live";
      isRead = true;
      if (view === "history") history.read();
    } catch (error) {
      if (own !== reading) return;
      early = undefined;
      if (error instanceof ServerError && error.status === 401) return signOut();
      live.giveUp();
    }
    changed();
  };

  const readMore = async (): Promise<void> => {
    const cursor = pending.next;
    if (cursor === undefined || moreIsComing) return;
    moreIsComing = true;
    try {
      const page = await listItems({ status: "pending", limit: PAGE, cursor });
      pending.append(page.items, page.total, page.next);
    } catch (error) {
      failed(error);
    }
    moreIsComing = false;
    changed();
  };

  const take = (event: LiveEvent): void => {
    if (early !== undefined) return void early.push(event);
    if (event.kind === "requested") {
      const { workspace_id, action } = event.item;
      if (pending.get(event.item.id) === undefined) {
        announcer.say(`New request from ${visible(workspace_id)}: ${visible(action.slice(0, 120))}`, "new requests");
      }
      pending.add(event.item);
    } else {
      const before = pending.get(event.id);
      const item = pending.settle(event.id, event.change);
      if (item === undefined) countAgain();
      else if (before?.item.status === "pending") {
        announcer.say(`${outcomeOf(item, me).text}: ${visible(item.action.slice(0, 120))}`, "decisions");
        leaveLater(event.id);
      }
      if (view === "history" && history.state !== "reading") history.read();
    }
    changed();
  };

  /** An approval that was never read here was decided: only the server knows how many are left. */
  const countAgain = once(300, async () => {
    const { total } = await listItems({ status: "pending", limit: 1 });
    pending.append([], total, pending.next);
    changed();
  });

  const leaveLater = (id: string, afterMs = STAY_MS): void => {
    setTimeout(() => {
      if (isInUse(id)) return leaveLater(id, STAY_MORE_MS);
      pending.remove(id);
      if (pending.next !== undefined && pending.entries.length < PAGE / 2) void readMore();
      changed();
    }, afterMs);
  };

  const live: Live = openLive({
    onOpen: () => void readList(),
    onFrame(frame) {
      const event = liveEvent(frame);
      if (event !== undefined) take(event);
    },
    onLost() {
      reading++;
      early = undefined;
      if (link !== "lost") announcer.say("Connection lost");
      link = "lost";
      changed();
      // A socket is refused without a reason; a session that is over must not be tried for ever.
      whoAmI().catch((error: unknown) => {
        if (error instanceof ServerError && error.status === 401) signOut();
      });
    },
  });
  // A browser tells a page nothing of pings: a connection that died silently shows here.
  setInterval(() => {
    if (link === "live") whoAmI().catch(failed);
  }, PULSE_MS);

  return {
    get me() {
      return me;
    },
    get link() {
      return link;
    },
    get view() {
      return view;
    },
    get isRead() {
      return isRead;
    },
    pending,
    history,
    announcer,
    show(next) {
      view = next;
      if (view === "history") history.read();
      changed();
    },
    readMore: () => void readMore(),
    async decide(item, decision, comment) {
      try {
        await decide(item, decision, comment);
      } catch (error) {
        if (!(error instanceof ServerError)) return "no-answer";
        if (error.status === 401) signOut();
        if (error.status !== 404) return { refused: error.message };
        pending.markGone(item.id);
        leaveLater(item.id);
        changed();
        return "too-late";
      }
      // The event says the same, and may have come first.
      take({
        kind: "decided",
        id: item.id,
        change: { status: decision, decided_by: me, decided_at: null, comment: comment || null },
      });
      return "taken";
    },
  };
}

/** Runs `work` once for all calls within a while; a failure is left to the next reading. */
function once(afterMs: number, work: () => Promise<void>): () => void {
  let timer: number | undefined;
  return () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      work().catch(() => undefined);
    }, afterMs);
  };
}
