/** The list of a workspace's approvals, decoded (docs/protocol.md, "List"). */
import { ApprovalError } from "../domain/errors.ts";
import type { Listing, ListItem } from "../domain/platform-port.ts";
import { isApprovalId, isDecider, isFields, isText, timeOf } from "./fields.ts";
import { httpDateMs } from "./retry-after.ts";

/** The platform's list ends here, without paging: from this length on, an approval may be missing. */
const LIST_CAP = 50;
const MAX_COMMENT = 4_096;
/** What a cut may leave of a surrogate pair. */
const HALF_CHARACTER = /[\ud800-\udbff]$/;

/**
 * `value` as a listing; `dateHeader` is the answer's `Date`. Items that are not of the documented shape, or name another
 * workspace than `workspaceId`, are left out and counted; exact repetitions are dropped.
 * Throws ERR_PLATFORM_UNREADABLE where the value is not an array.
 */
export function decodeListing(value: unknown, dateHeader?: string, workspaceId?: string): Listing {
  if (!Array.isArray(value)) {
    throw new ApprovalError("ERR_PLATFORM_UNREADABLE", "the text is not a list");
  }
  const entries: readonly unknown[] = value;
  const items = new Map<string, ListItem>();
  let rejected = 0;
  for (const entry of entries) {
    const item = decodeItem(entry, workspaceId);
    if (item === undefined) rejected++;
    else items.set(JSON.stringify(item), item);
  }
  const dateMs = httpDateMs(dateHeader);
  return {
    items: [...items.values()],
    capped: entries.length >= LIST_CAP,
    echoes: entries.length === 0 ? undefined : entries.some((entry) => isFields(entry) && "task_id" in entry),
    ...(dateMs === undefined ? {} : { date_ms: dateMs }),
    rejected,
  };
}

function decodeItem(entry: unknown, workspaceId: string | undefined): ListItem | undefined {
  if (!isFields(entry)) return undefined;
  const { id, task_id, status, decided_by, decided_at, created_at, comment, workspace_id } = entry;
  if (!isApprovalId(id) || !isDecider(decided_by)) return undefined;
  // The platform's table also allows "escalated", which nothing writes. It is no decision, and not pending either.
  if (status !== "pending" && status !== "approved" && status !== "denied") return undefined;
  if (!isText(task_id) || !isText(decided_at) || !isText(created_at) || !isText(comment) || !isText(workspace_id))
    return undefined;
  if (workspaceId !== undefined && typeof workspace_id === "string" && workspace_id !== workspaceId) return undefined;

  const decidedAt = timeOf(decided_at);
  const createdAt = timeOf(created_at);
  return {
    approval_id: id,
    ...(typeof task_id === "string" ? { task_id } : {}),
    status,
    decided_by: decided_by ?? "",
    ...(decidedAt === undefined ? {} : { decided_at: decidedAt }),
    ...(createdAt === undefined ? {} : { created_at: createdAt }),
    ...(comment ? { comment: comment.slice(0, MAX_COMMENT).replace(HALF_CHARACTER, "") } : {}),
  };
}
