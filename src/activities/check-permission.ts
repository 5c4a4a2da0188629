/** The first step of every request: may this workspace ask, and what is this worker configured to do. */
import { createRbacReader } from "../config/rbac-file.ts";
import { messageOf } from "../domain/errors.ts";
import { forbiddenText } from "../domain/outcome.ts";
import { mayRequest } from "../domain/permission.ts";
import type { ApprovalActivities, Settings } from "../domain/ports.ts";

/**
 * Makes the activity `checkPermission`. It reads `<configFolder>/config.yaml` for every request (a file that did not change is not read again)
 * and never throws: roles that cannot be read forbid, and a request of another workspace fails.
 */
export function createCheckPermission(options: {
  readonly configFolder: string;
  readonly workspaceId: string;
  readonly settings: Settings;
}): ApprovalActivities["checkPermission"] {
  const { workspaceId, settings } = options;
  const readRbac = createRbacReader(options.configFolder);
  return async ({ workspace_id }) => {
    if (workspace_id !== workspaceId) {
      return {
        kind: "failed",
        error: `This worker serves workspace ${workspaceId}, not ${workspace_id}; send the request to the task queue of ${workspace_id}, or start a worker with WORKSPACE_ID=${workspace_id}`,
      };
    }
    try {
      const { roles, allowedActions } = await readRbac();
      if (mayRequest(roles, allowedActions)) return { kind: "allowed", settings };
      return { kind: "forbidden", error: forbiddenText(roles), roles, settings };
    } catch (error) {
      return {
        kind: "forbidden",
        error: `RBAC: the configuration cannot be read: ${messageOf(error)}`,
        roles: [],
        settings,
      };
    }
  };
}
