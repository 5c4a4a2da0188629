/** The inbox of a data folder: its storage, its tokens, and where others find it. `up` and `inbox` share it. */
import { hostname } from "node:os";
import { startInbox } from "../inbox/server.ts";
import type { Inbox, InboxOptions } from "../inbox/server.ts";
import { openStorage } from "../inbox/storage.ts";
import type { Storage } from "../inbox/storage.ts";
import { secretIn, tokenListOf } from "./data-folder.ts";
import type { DataFolder } from "./data-folder.ts";
import { lockFolder } from "./folder-lock.ts";
import { writeAddress } from "./inbox-address.ts";

export interface InboxData {
  readonly folder: DataFolder;
  readonly storage: Storage;
  close(): Promise<void>;
}

export interface ServedInbox extends Inbox {
  /** Logs the folder's reviewer in, once and within ten minutes. */
  readonly loginUrl: string;
}

/**
 * Opens the database of the folder, or the one at `databaseUrl`, and lets in the tokens of the folder's files.
 * Throws ERR_USAGE where another process has the folder's database open, ERR_PLATFORM_UNREACHABLE and ERR_CONFIG.
 */
export async function openInboxData(folder: DataFolder, workspaceId: string, databaseUrl?: string): Promise<InboxData> {
  const { storage, close } = await openFolderStorage(folder, databaseUrl);
  try {
    await storage.tokens.ensure(tokenListOf(folder, workspaceId), `${hostname()}:${folder.path}`);
  } catch (error) {
    await close();
    throw error;
  }
  return { folder, storage, close };
}

/** As `openInboxData`, and leaves the tokens as they are. */
export async function openFolderStorage(
  folder: DataFolder,
  databaseUrl: string | undefined,
): Promise<{ readonly storage: Storage; close(): Promise<void> }> {
  if (databaseUrl !== undefined) {
    const storage = await openStorage({ databaseUrl });
    return { storage, close: () => storage.close() };
  }
  // Two processes with one embedded database would destroy it.
  const unlock = lockFolder(folder.inboxLock, "inbox");
  try {
    const storage = await openStorage({ folder: folder.inboxData });
    return { storage, close: () => storage.close().finally(unlock) };
  } catch (error) {
    unlock();
    throw error;
  }
}

/** Starts the inbox, with a login link for the folder's reviewer, and notes its address in the folder. */
export async function serveInbox(
  { folder, storage }: InboxData,
  options: Omit<InboxOptions, "storage" | "operatorToken">,
): Promise<ServedInbox> {
  const inbox = await startInbox({ ...options, storage, operatorToken: secretIn(folder.operatorTokenFile) });
  try {
    writeAddress(folder, { url: inbox.url, localUrl: inbox.localUrl, ...(options.tls && { cert: options.tls.cert }) });
    const reviewer = await storage.tokens.identify(secretIn(folder.reviewerTokenFile));
    const loginUrl = reviewer && (await inbox.createLoginUrl(reviewer.tokenId));
    return { ...inbox, loginUrl: loginUrl ?? inbox.url };
  } catch (error) {
    await inbox.stop();
    throw error;
  }
}
