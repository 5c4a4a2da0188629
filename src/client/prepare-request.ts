/** The check of a request before anything is started, and its wire form. */
import { randomUUID } from "node:crypto";
import type { WorkspaceConfig } from "../config.ts";
import { ApprovalError, messageOf } from "../domain/errors.ts";
import { approvalWorkflowId } from "../domain/names.ts";
import { problemsOf } from "../domain/request.ts";
import type { ApprovalRequest, Json, Problem } from "../domain/request.ts";
import { contentHash } from "./content-hash.ts";

export interface RequestOptions {
  /**
   * Names the request, 1 to 128 of `A-Z a-z 0-9 . _ -`. The same id with the same content is the same request, open or
   * closed: a restarted agent picks up its answer. Default: a fresh UUID.
   */
  readonly requestId?: string | undefined;
  /** Further facts for the approver, a JSON object of at most 64 KiB. */
  readonly context?: { readonly [key: string]: Json } | undefined;
  /** Seconds to wait for a person, fractions allowed. Default: APPROVAL_TIMEOUT, read at each call. */
  readonly timeoutSeconds?: number | undefined;
  /** Aborting withdraws the request; the call then resolves to `cancelled`, or to the decision that came first. */
  readonly signal?: AbortSignal | undefined;
}

/** A legal request, ready to be started. */
export interface PreparedRequest {
  readonly workflowId: string;
  readonly request: ApprovalRequest;
  readonly contentHash: string;
  /** True where the caller named the request: its run may then be an older one. */
  readonly named: boolean;
}

// Callers know the options by these names, the wire by those of the problem list.
const OPTION_NAMES: { readonly [field: string]: string } = {
  request_id: "requestId",
  timeout_seconds: "timeoutSeconds",
  workspace_id: "WORKSPACE_ID",
};

/** Throws ApprovalError ERR_REQUEST_INVALID, which names every field that is wrong. */
export function prepareRequest(
  config: Pick<WorkspaceConfig, "workspaceId" | "approvalTimeoutSeconds">,
  action: string,
  reason: string,
  options: RequestOptions,
): PreparedRequest {
  const requestId = options.requestId === undefined ? randomUUID() : options.requestId;
  const given = {
    action,
    reason,
    ...(options.context === undefined ? {} : { context: options.context }),
    timeout_seconds: options.timeoutSeconds === undefined ? config.approvalTimeoutSeconds : options.timeoutSeconds,
    request_id: requestId,
    workspace_id: config.workspaceId,
  };
  refuse(problemsOf(given));
  const { context, ...rest } = given;
  const request: ApprovalRequest = context === undefined ? rest : { ...rest, context: asJson(context) };
  try {
    return {
      workflowId: approvalWorkflowId(config.workspaceId, requestId),
      request,
      contentHash: contentHash(request),
      named: options.requestId !== undefined,
    };
  } catch (error) {
    throw invalid(`context cannot be read: ${messageOf(error)}`, error);
  }
}

/** The context as it will travel: the hash must not differ from that of the stored input. */
function asJson(context: { readonly [key: string]: Json }): { readonly [key: string]: Json } {
  const copy: unknown = JSON.parse(JSON.stringify(context));
  if (typeof copy === "object" && copy !== null && !Array.isArray(copy))
    return copy as { readonly [key: string]: Json };
  throw invalid("context must be a JSON object");
}

function refuse(problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  throw invalid(problems.map(({ field, message }) => `${OPTION_NAMES[field] ?? field} ${message}`).join("; "));
}

function invalid(text: string, cause?: unknown): ApprovalError {
  return new ApprovalError("ERR_REQUEST_INVALID", `The request for approval was not started: ${text}`, { cause });
}
