/** How another command finds the inbox that runs on a data folder: a note in the folder. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import type { DataFolder } from "./data-folder.ts";

export interface InboxAddress {
  readonly url: string;
  readonly localUrl: string;
  /** The certificate that the inbox itself uses, PEM; only this one is believed. */
  readonly cert?: string | undefined;
}

const ADDRESS = z.object({ url: z.url(), localUrl: z.url(), cert: z.string().optional() });

export function writeAddress(folder: DataFolder, address: InboxAddress): void {
  const draft = `${folder.inboxAddressFile}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(address)}\n`, { mode: 0o600 });
  renameSync(draft, folder.inboxAddressFile);
}

/** `undefined` where there is none that can be read. */
export function readAddress(folder: DataFolder): InboxAddress | undefined {
  try {
    return ADDRESS.safeParse(JSON.parse(readFileSync(folder.inboxAddressFile, "utf8"))).data;
  } catch {
    return undefined;
  }
}
