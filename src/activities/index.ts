/** All activities of a worker, put together: one platform client, one shared list, one audit log, one client of Temporal. */
import type { Client } from "@temporalio/client";
import type { AuditLog } from "../audit/audit-log.ts";
import type { WorkspaceConfig } from "../config.ts";
import { createDelivery } from "../delivery/deliver.ts";
import { createDirectory } from "../delivery/directory.ts";
import type { ApprovalActivities, Settings } from "../domain/ports.ts";
import type { Health } from "../health.ts";
import type { Log } from "../log.ts";
import { createPlatform } from "../platform/http.ts";
import { createSharedList } from "../platform/shared-list.ts";
import { tokenFrom } from "../platform/token.ts";
import { createCheckPermission } from "./check-permission.ts";
import { createConfirmDecision } from "./confirm-decision.ts";
import { createCountWaiting } from "./count-waiting.ts";
import { createCreateApproval } from "./create-approval.ts";
import { createRecordOutcome } from "./record-outcome.ts";
import { createSweepDecisions } from "./sweep-decisions.ts";
import { createWatchWaker, type WatchWaker } from "./wake-watch.ts";
import { createWithdrawApproval } from "./withdraw-approval.ts";

export interface ActivityDependencies {
  readonly config: WorkspaceConfig;
  readonly audit: AuditLog;
  readonly client: Client;
  readonly health: Health;
  readonly identity: string;
  readonly log: Log;
}

export function createActivities({ config, audit, client, health, identity, log }: ActivityDependencies): {
  readonly activities: ApprovalActivities;
  readonly waker: WatchWaker;
} {
  const setHealth = (part: string) => (problem: string | undefined) => {
    const before = health.problems().join("\n");
    health.set(part, problem);
    // People look at the watch to see how the workers are.
    if (health.problems().join("\n") !== before) void waker.wakeNow(config.workspaceId);
  };
  const settings: Settings = {
    timeout_seconds: config.approvalTimeoutSeconds,
    poll_interval_seconds: config.pollIntervalSeconds,
    use_websocket: config.useWebSocket,
    audit_required: config.audit.required,
  };
  const platform = createPlatform({
    url: config.platform.url,
    origin: config.platform.origin,
    orgId: config.platform.orgId,
    token: tokenFrom(config.platform),
    onHealth: setHealth("platform"),
  });
  const list = createSharedList(platform);
  const directory = createDirectory(client, config.taskQueue);
  const delivery = createDelivery({ client, directory, platform, log });
  const countWaiting = createCountWaiting(client);
  const waker = createWatchWaker({
    client,
    taskQueue: config.taskQueue,
    settings: { ...settings, heartbeat_seconds: config.heartbeatSeconds },
    identity,
    problems: () => health.problems(),
    count: () => countWaiting({ workspace_id: config.workspaceId, task_queue: config.taskQueue }),
    log,
  });
  const recordOutcome = createRecordOutcome(audit, setHealth("audit"));
  return {
    waker,
    activities: {
      checkPermission: createCheckPermission({
        configFolder: config.configFolder,
        workspaceId: config.workspaceId,
        settings,
      }),
      createApproval: createCreateApproval({
        platform,
        wake: ({ workspace_id }) => waker.wake(workspace_id),
        record: (record, required) =>
          recordOutcome({ record, required }).then(
            () => true,
            () => false,
          ),
      }),
      confirmDecision: createConfirmDecision(list, config.hintKey),
      withdrawApproval: createWithdrawApproval(platform, list),
      recordOutcome,
      sweepDecisions: createSweepDecisions(platform, delivery),
      countWaiting,
    },
  };
}
