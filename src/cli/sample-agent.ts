/** An agent that asks one question, for a first look: what `npm start` shows. */
import { setTimeout as delay } from "node:timers/promises";
import { createApprovals } from "../client/approvals.ts";
import type { ApprovalHandle } from "../client/handle.ts";
import { ApprovalError } from "../domain/errors.ts";
import { parseTaskId } from "../domain/names.ts";
import type { ApprovalResult } from "../domain/outcome.ts";
import type { Platform } from "../domain/platform-port.ts";
import { createPlatform } from "../platform/http.ts";
import { tokenFrom } from "../platform/token.ts";
import type { EmbeddedStack } from "./embedded-stack.ts";

const ACTION = "Drop the staging database";
const REASON = "The schema was rebuilt; the old copy is in the way";
const CONTEXT = { database: "staging", rows: 18_204, backup: "taken an hour ago" };
const LOOK_MS = 100;

export interface SampleOptions {
  readonly stack: Pick<EmbeddedStack, "config">;
  /** Decides by itself, through the inbox, as the reviewer. */
  readonly decide: "approved" | "denied" | undefined;
  /** Stops the listening, and throws the signal's reason; the request stays open. */
  readonly signal: AbortSignal;
  /** Called when the question stands in the inbox. */
  readonly onAsked: (asked: Asked) => void;
  readonly warn: (message: string) => void;
}

export interface Asked {
  readonly action: string;
  readonly reason: string;
  readonly approvalId: string;
  readonly workflowId: string;
}

export async function runSampleAgent(options: SampleOptions): Promise<ApprovalResult> {
  const { config } = options.stack;
  const approvals = createApprovals(config, { warn: ({ message }) => options.warn(message) });
  const handle = await approvals.start(ACTION, REASON, { context: CONTEXT });
  const ended = new AbortController();
  const answered = handle.result({ signal: options.signal }).finally(() => ended.abort());
  // Heard of below; a failure before that must not count as unhandled.
  answered.catch(() => undefined);
  const platform = createPlatform({ url: config.platform.url, token: tokenFrom(config.reviewer) });

  const approvalId = await untilListed(platform, config.workspaceId, handle, ended.signal);
  if (approvalId === undefined) return answered;
  options.onAsked({ action: ACTION, reason: REASON, approvalId, workflowId: handle.workflowId });
  if (options.decide !== undefined) {
    const answer = await platform.decide(config.workspaceId, approvalId, options.decide, "reviewer");
    if (answer.kind === "refused") throw new ApprovalError("ERR_PLATFORM_REFUSED", answer.error);
  }
  return answered;
}

/** The approval's id as soon as the reviewer can see it; `undefined` where the request ended before. */
async function untilListed(
  platform: Platform,
  workspaceId: string,
  { workflowId }: ApprovalHandle,
  ended: AbortSignal,
): Promise<string | undefined> {
  while (!ended.aborted) {
    const { items } = await platform.list(workspaceId);
    const own = items.find(
      ({ status, task_id }) => status === "pending" && parseTaskId(task_id, workspaceId)?.workflowId === workflowId,
    );
    if (own !== undefined) return own.approval_id;
    await delay(LOOK_MS, undefined, { signal: ended }).catch(() => undefined);
  }
  return undefined;
}
