/** Mischief with what the platform answers, to us and to people alike. */
import { setTimeout as delay } from "node:timers/promises";
import { meanwhile, noted, type Lane, type Mischief } from "./scene.ts";
import type { FaultAnswer } from "../../test/support/platform-faults.ts";

const JSON_TYPE = { "content-type": "application/json; charset=utf-8" };
const LIST_CAP = 50;

/** What may come instead of an answer. No lie that reads like a true one: what a platform says in earnest decides. */
const ANSWERS: readonly FaultAnswer[] = [
  "reset",
  "hang",
  { status: 500 },
  { status: 503 },
  { status: 429, headers: { "Retry-After": "1" } },
  { status: 200, headers: { "content-type": "text/html" }, body: "<!doctype html>" },
  { status: 201, headers: JSON_TYPE, body: '{"approval_id":' },
  { status: 200, headers: JSON_TYPE, body: '\ufeff{"items":[]}' },
  { delayMs: 800 },
  { drip: 3_000 },
  { cut: 20 },
  { stream: 20_000_000 },
];

const spoilt =
  (method: string | undefined, path: RegExp): Mischief =>
  async ({ stage }, move) => {
    const answer = ANSWERS[move.choice % ANSWERS.length] as FaultAnswer;
    const fault = stage.stack.platform.fault({
      ...(method === undefined ? {} : { method }),
      path,
      when: move.when,
      answer,
    });
    await meanwhile(move, () => fault.remove());
  };

const listed =
  (name: string, change: (items: readonly object[]) => readonly object[]): Mischief =>
  async ({ lists }, move) => {
    lists.set(name, change);
    await meanwhile(move, () => lists.delete(name));
  };

export const ANSWERED: Lane = {
  "creations spoilt": spoilt("POST", /\/approvals$/),
  "lists spoilt": spoilt("GET", /\/approvals/),
  "decisions spoilt": spoilt("POST", /\/decide$/),
  "everything spoilt": spoilt(undefined, /\/approvals/),
  "handshakes spoilt": spoilt("GET", /^\/ws/),
  "tokens refused": async ({ stage }, move) => {
    const answer = { status: 401, headers: JSON_TYPE, body: '{"error":"invalid workspace auth token"}' };
    const fault = stage.stack.platform.fault({ path: /^\/(?:ws|workspaces)/, answer });
    await meanwhile(move, () => fault.remove());
  },
  "platform down": async ({ stage }, { lastsMs }) => {
    await stage.stack.platform.stop({ keepState: true });
    await delay(lastsMs);
    await stage.stack.platform.start();
  },
  "lists shuffled": listed("shuffled", (items) => [
    ...items.filter((_, n) => n % 2 === 1),
    ...items.filter((_, n) => n % 2 === 0),
  ]),
  "lists doubled": listed("doubled", (items) => [...items, ...items.toReversed()]),
  /** Fifty newer approvals of somebody else, and a list that ends there: none of ours is in it. */
  "+lists capped": async ({ stage, lists, book }, move) => {
    const { platform, workspaceId } = stage.stack;
    await noted(book.list_capped, async () => {
      lists.set("capped", (items) => items.slice(0, LIST_CAP));
      for (let n = 0; n < LIST_CAP; n++) platform.create(workspaceId, { action: "somebody else's" });
      await meanwhile(move, () => lists.delete("capped"));
    });
  },
};
