/** Tells this process's sockets what any process on the database has changed. */
import { messageOf } from "../domain/errors.ts";
import type { InboxLog } from "./log.ts";
import { CHANNEL, parseNotice, type Notice } from "./notice.ts";
import type { Sockets } from "./sockets.ts";
import type { Storage } from "./storage.ts";
import { decidedEvent, requestedEvent, type InboxEvent } from "./wire.ts";

const BATCH = 200;

export interface Changes {
  /** False while changes may be missed: then no socket may be opened, for it would promise to tell them all. */
  isHearing(): boolean;
  stop(): Promise<void>;
}

/**
 * Publishes an event for every change after its commit, whoever made it and whatever became of its connection. Where some may have
 * been missed it closes every socket, so that their clients reconnect and list.
 */
export async function followChanges(storage: Storage, sockets: Sockets, log: InboxLog): Promise<Changes> {
  let hearing = true;
  let waiting: Notice[] = [];
  let telling = false;

  const missed = (reason: string): void => {
    log.warn({ reason }, "changes may have been missed; closed every socket, so that the clients list");
    sockets.closeAll(1012, "changes may have been missed; connect again and list");
  };

  const tell = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, BATCH);
      waiting = waiting.slice(BATCH);
      const approvals = await storage.approvals.getMany([...new Set(batch.map(({ id }) => id))]);
      const byId = new Map(approvals.map((approval) => [approval.id, approval]));
      for (const { kind, id } of batch) {
        const approval = byId.get(id);
        const event: InboxEvent | undefined =
          approval === undefined
            ? undefined
            : kind === "requested"
              ? requestedEvent(approval)
              : approval.decision && decidedEvent(approval, approval.decision);
        if (event !== undefined) sockets.publish(event);
      }
    }
  };

  const stop = await storage.sql.listen(CHANNEL, {
    heard(payload) {
      const notice = parseNotice(payload);
      if (notice === undefined) return;
      if (notice.kind === "revoked") {
        sockets.closeOf(notice.id);
        return;
      }
      // With nobody to tell, reading would be for nothing.
      if (sockets.count() === 0) return;
      waiting.push(notice);
      if (telling) return;
      telling = true;
      tell()
        .catch((error: unknown) => {
          waiting = [];
          missed(messageOf(error));
        })
        .finally(() => (telling = false));
    },
    deaf(reason) {
      hearing = false;
      waiting = [];
      missed(reason);
    },
    hearing() {
      hearing = true;
      log.info({}, "hears of changes again");
    },
  });
  return { isHearing: () => hearing, stop };
}
