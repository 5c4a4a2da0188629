/** The checks of `countersign doctor` that ask the platform, with the agent's credentials. */
import type { WorkspaceConfig } from "../config.ts";
import { ApprovalError } from "../domain/errors.ts";
import { createPlatform } from "../platform/http.ts";
import { SocketError } from "../platform/close-reason.ts";
import { openSocket, socketUrl } from "../platform/socket.ts";
import { tokenFrom } from "../platform/token.ts";
import { failed, failureOf, ok } from "./doctor-checks.ts";
import type { Finding } from "./doctor-checks.ts";

/** Lists the workspace's approvals, as confirmations do. */
export async function checkList(config: WorkspaceConfig, signal: AbortSignal): Promise<Finding> {
  const { url, origin, orgId } = config.platform;
  const token = tokenFrom(config.platform);
  const hasToken = token.current() !== undefined;
  try {
    const { items, rejected } = await createPlatform({ url, origin, orgId, token }).list(
      config.workspaceId,
      [],
      signal,
    );
    const pending = items.filter(({ status }) => status === "pending").length;
    const odd = rejected === 0 ? "" : `, ${rejected} more cannot be read`;
    return ok(
      `${url} lists ${items.length} approvals, ${pending} of them pending${odd}${hasToken ? "" : "; no token is set"}`,
    );
  } catch (error) {
    if (!(error instanceof ApprovalError)) throw error;
    const status = Number(/ answered (\d{3})\b/.exec(error.message)?.[1] ?? 0);
    return failed(failureOf(error).detail, listRemedy(error, status, hasToken));
  }
}

function listRemedy({ code }: ApprovalError, status: number, hasToken: boolean): string {
  if (status === 401) {
    return hasToken
      ? "the platform does not know this token: set PLATFORM_TOKEN or PLATFORM_TOKEN_FILE to the workspace's current one"
      : "set PLATFORM_TOKEN or PLATFORM_TOKEN_FILE to the workspace's token";
  }
  if (status === 403) {
    return "the token is another workspace's, or the request looks foreign: check WORKSPACE_ID, the token and PLATFORM_ORIGIN";
  }
  if (status === 404 || (status >= 300 && status < 400)) {
    return "there is no such list: check that PLATFORM_URL points at the platform itself, with its path prefix, and WORKSPACE_ID";
  }
  if (code === "ERR_PLATFORM_UNREADABLE") return "something else answers there: check PLATFORM_URL";
  if (status === 429) return "wait a minute and ask again";
  if (status !== 0) return "look at the platform's log";
  return "start the platform, or set PLATFORM_URL to where it is; countersign inbox serves one of our own";
}

/** Opens the socket as a bridge does, and closes it. */
export async function checkSocket(config: WorkspaceConfig, signal: AbortSignal): Promise<Finding> {
  const { url, origin, orgId } = config.platform;
  if (!config.useWebSocket) return ok("not used: APPROVAL_USE_WEBSOCKET is false, decisions come by sweep");
  const ignore = (): void => {};
  try {
    const socket = await openSocket({
      url: socketUrl(url),
      token: tokenFrom(config.platform),
      origin,
      orgId,
      workspaceId: config.workspaceId,
      onFrame: ignore,
      onClose: ignore,
      signal,
    });
    socket.close();
    return ok(`${socketUrl(url)} opens${socket.authenticated ? "" : ", without a token"}`);
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    const { detail, remedy = "check what stands between here and the platform" } = failureOf(error);
    return failed(detail, `${remedy}, or set APPROVAL_USE_WEBSOCKET=false to poll only`);
  }
}
