/** `countersign inbox` as a process of its own, with its database in a folder, to be killed and to come back as the same. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startCommand, type Command } from "../test/support/command.ts";
import type { PlatformApproval } from "../test/support/platform-store.ts";
import { until } from "../test/support/until.ts";
import type { Field, Stage } from "./field.ts";
import type { Attempt } from "./witness.ts";

/** Making a new database takes seconds of the processor, of which others want theirs. */
const START_MS = 120_000;
/** How long a person waits for an answer. */
const PATIENCE_MS = 3_000;
/** What the inbox calls the person with its folder's token. */
const REVIEWER = "reviewer";

export interface InboxProcess {
  readonly url: string;
  readonly command: Command;
  /** On its port and folder; resolves when it answers. */
  start(): Promise<void>;
  /** SIGKILL, or SIGTERM; resolves with its exit code or signal when it is gone. */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<number | NodeJS.Signals>;
  /** What stands in it, the newest first, by REST. */
  approvals(): Promise<readonly PlatformApproval[]>;
  /** A person decides over HTTP. */
  decide(approvalId: string, decision: Attempt["decision"]): Promise<Attempt>;
}

/** A stage whose platform is an inbox; no worker and no bridge. */
export async function onInbox(field: Field): Promise<{ readonly inbox: InboxProcess; readonly stage: Stage }> {
  const workspaceId = randomUUID();
  const folder = await field.folder();
  const inbox = await startInbox(field, folder, workspaceId);
  const token = readFileSync(join(folder, "agent.token"), "utf8").trim();
  const stage = await field.stage({
    env: { WORKSPACE_ID: workspaceId, PLATFORM_URL: inbox.url, PLATFORM_TOKEN: token },
  });
  stage.standsOn(() => inbox.approvals());
  stage.secret(token);
  return { inbox, stage };
}

async function startInbox(field: Field, folder: string, workspaceId: string): Promise<InboxProcess> {
  let port = 0;
  const launch = async (): Promise<Command> => {
    const args = ["inbox", "--port", String(port), "--data", folder, "--json"];
    const command = startCommand(field, args, { cwd: folder, env: { WORKSPACE_ID: workspaceId } });
    const line = await until("the inbox is ready", () => /^.*\n/.exec(command.stdout())?.[0], START_MS);
    port = Number(new URL((JSON.parse(line) as { readonly url: string }).url).port);
    return command;
  };
  let command = await launch();
  const url = `http://127.0.0.1:${port}`;
  const reviewer = { authorization: `Bearer ${readFileSync(join(folder, "reviewer.token"), "utf8").trim()}` };
  const path = `${url}/workspaces/${workspaceId}/approvals`;
  return {
    url,
    get command() {
      return command;
    },
    async start() {
      command = await launch();
    },
    async end(signal) {
      command.send(signal);
      return await command.ended;
    },
    async approvals() {
      const response = await fetch(`${path}?limit=200`, { headers: reviewer });
      const items = (await response.json()) as Omit<PlatformApproval, "workspace_id" | "context">[];
      return items.map((item) => ({ ...item, workspace_id: workspaceId, context: null }));
    },
    async decide(approval_id, decision) {
      const attempt = { approval_id, decision, by: REVIEWER, sent_ms: Date.now() };
      const response = await fetch(`${path}/${approval_id}/decide`, {
        method: "POST",
        headers: { ...reviewer, "content-type": "application/json" },
        body: JSON.stringify({ decision }),
        signal: AbortSignal.timeout(PATIENCE_MS),
      }).catch(() => undefined);
      const status = response?.status;
      return { ...attempt, known: status === 200 ? "taken" : status === 404 ? "refused" : "unknown" };
    },
  };
}
