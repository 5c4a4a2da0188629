/** The inbox's HTTP side, as this page uses it. */
import { setServerTime } from "./clock.ts";
import type { Item } from "./item.ts";

export interface ItemPage {
  readonly items: readonly Item[];
  /** Cursor of the next page; absent on the last. */
  readonly next?: string;
  readonly total: number;
}

export interface ListQuery {
  readonly status: "pending" | "decided";
  readonly limit: number;
  readonly cursor?: string;
  readonly q?: string;
}

/** The server answered with an error; 401 means that the session is over. */
export class ServerError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const ANSWER_LIMIT_MS = 10_000;

/** The name under which this session decides. */
export async function whoAmI(): Promise<string> {
  return ((await ask("/api/me")) as { readonly name: string }).name;
}

export async function listItems({ status, limit, cursor, q }: ListQuery): Promise<ItemPage> {
  const query = new URLSearchParams({ status, limit: String(limit) });
  if (cursor !== undefined) query.set("cursor", cursor);
  if (q) query.set("q", q);
  return (await ask(`/api/approvals?${query}`)) as ItemPage;
}

/** Throws ServerError 404 where somebody else was faster, and another error where no answer came. */
export async function decide(item: Item, decision: "approved" | "denied", comment: string): Promise<void> {
  const path = `/workspaces/${encodeURIComponent(item.workspace_id)}/approvals/${encodeURIComponent(item.id)}/decide`;
  await ask(path, {
    method: "POST",
    // No form of another site can send this header.
    headers: { "content-type": "application/json", "x-countersign": "1" },
    body: JSON.stringify({ decision, ...(comment === "" ? {} : { comment }) }),
  });
}

async function ask(path: string, init: RequestInit = {}): Promise<unknown> {
  const from = Date.now();
  const response = await fetch(path, {
    ...init,
    cache: "no-store",
    redirect: "error",
    signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
  });
  setServerTime(response.headers.get("date"), from);
  const body = (await response.json().catch(() => undefined)) as { readonly error?: unknown } | undefined;
  if (response.ok) return body;
  const { error } = body ?? {};
  throw new ServerError(response.status, typeof error === "string" ? error : `the inbox answered ${response.status}`);
}
