/** An inbox of ours for tests, with its database in memory. */
import { startInbox, type Inbox, type InboxOptions } from "../../src/inbox/server.ts";
import { openStorage, type Storage } from "../../src/inbox/storage.ts";
import type { TokenList } from "../../src/inbox/tokens.ts";

export interface TestInbox extends Inbox {
  readonly storage: Storage;
}

/** Stops with its storage. */
export async function startTestInbox(tokens: TokenList, options: Partial<InboxOptions> = {}): Promise<TestInbox> {
  const storage = await openStorage({ memory: true });
  await storage.tokens.ensure(tokens, "test");
  const inbox = await startInbox({ port: 0, storage, ...options });
  return {
    ...inbox,
    storage,
    async stop() {
      await inbox.stop();
      await storage.close();
    },
  };
}
