/** An inbox with an agent and two reviewers, and their browsers. */
import { randomUUID } from "node:crypto";
import type { Browser, BrowserContextOptions } from "playwright-core";
import { startInbox, type Inbox } from "../../src/inbox/server.ts";
import { openStorage, type Storage } from "../../src/inbox/storage.ts";
import { visit, type Visit } from "./browser.ts";

export type Person = "alice" | "bob";

export interface Ask {
  readonly action: string;
  readonly reason?: string;
  readonly context?: object;
  readonly timeout_seconds?: number;
}

export interface PageInbox {
  readonly url: string;
  readonly workspaceId: string;
  readonly agentToken: string;
  readonly storage: Storage;
  /** Asks as the agent, and answers the approval's id. */
  ask(request: Ask): Promise<string>;
  /** Decides over HTTP with the person's token. */
  decide(person: Person, id: string, decision: "approved" | "denied", comment?: string): Promise<void>;
  /** What the platform's list says of it. */
  read(id: string): Promise<{ readonly status: string; readonly decided_by: string | null; readonly comment?: string }>;
  loginUrl(person: Person): Promise<string>;
  /** Opens the page for a person, through a login link. */
  open(person: Person, options?: BrowserContextOptions): Promise<Visit>;
  /** Stops and starts the server on the same port and database. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Removes every approval. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export async function startPageInbox(browser: () => Browser, workspaceId: string = randomUUID()): Promise<PageInbox> {
  const storage = await openStorage({ memory: true });
  const agent = await storage.tokens.create({ kind: "agent", subject: workspaceId });
  const people = {
    alice: await storage.tokens.create({ kind: "reviewer", subject: "alice" }),
    bob: await storage.tokens.create({ kind: "reviewer", subject: "bob" }),
  };
  let inbox: Inbox = await startInbox({ port: 0, storage });
  const { url, port } = inbox;
  const path = `/workspaces/${workspaceId}/approvals`;
  const call = async (token: string, method: string, at: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${url}${at}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${at} answered ${response.status}: ${await response.text()}`);
    return response.json();
  };
  const own: PageInbox = {
    url,
    workspaceId,
    agentToken: agent.token,
    storage,
    async ask(request) {
      return ((await call(agent.token, "POST", path, request)) as { approval_id: string }).approval_id;
    },
    async decide(person, id, decision, comment) {
      await call(people[person].token, "POST", `${path}/${id}/decide`, { decision, comment });
    },
    async read(id) {
      const [item] = (await call(agent.token, "GET", `${path}?ids=${id}`)) as Awaited<ReturnType<PageInbox["read"]>>[];
      if (item === undefined) throw new Error(`no approval ${id}`);
      return item;
    },
    async loginUrl(person) {
      return (await inbox.createLoginUrl(people[person].id)) as string;
    },
    open: async (person, options) => visit(browser(), await own.loginUrl(person), options),
    stop: () => inbox.stop(),
    async start() {
      inbox = await startInbox({ port, storage });
    },
    async clear() {
      await storage.sql.query("delete from countersign.approvals");
    },
    async close() {
      await inbox.stop();
      await storage.close();
    },
  };
  return own;
}
