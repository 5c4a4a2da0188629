/** The addresses of the platform. */
import { ApprovalError } from "../domain/errors.ts";
import { isApprovalId } from "./fields.ts";

/** PLATFORM_URL with its path prefix, and without trailing slash, query and credentials. */
export function baseUrl(platformUrl: string): string {
  const { protocol, host, pathname } = new URL(platformUrl);
  return `${protocol}//${host}${pathname.replace(/\/+$/, "")}`;
}

/** `/workspaces/<id>/approvals`, and below it `/<approval id>/decide`. Throws ERR_REQUEST_INVALID for an id that cannot stand in a path. */
export function approvalsPath(workspaceId: string, approvalId?: string): string {
  const list = `/workspaces/${segment("workspace_id", workspaceId)}/approvals`;
  return approvalId === undefined ? list : `${list}/${segment("approval_id", approvalId)}/decide`;
}

/** `?ids=a,b`, or nothing without ids. */
export function idsQuery(ids: readonly string[]): string {
  return ids.length === 0 ? "" : `?ids=${ids.map((id) => segment("approval_id", id)).join(",")}`;
}

/** Dots alone would climb out of the path, and half a surrogate pair cannot be encoded. */
function segment(field: string, id: string): string {
  if (!isApprovalId(id)) {
    throw new ApprovalError(
      "ERR_REQUEST_INVALID",
      `${field} must be 1 to 128 printable characters and not "." or ".."`,
    );
  }
  return encodeURIComponent(id);
}
