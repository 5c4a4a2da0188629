/** The bearer token of one client of the platform (docs/protocol.md, "Authentication"). */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { ApprovalError } from "../domain/errors.ts";

export interface TokenSource {
  /** The token to send now; `undefined` where there is none. */
  current(): string | undefined;
  /** Reads the token file again; true where that changed `current()`. Never rejects: an unreadable file changes nothing. */
  reread(): Promise<boolean>;
}

/** What an HTTP header can carry without quoting. */
const LEGAL = /^[\x21-\x7e]{1,8192}$/;

/**
 * A token given as text, as a file, or both: then the text is used until the platform refuses it, and the file after that.
 * The file is read here and at `reread()`, never in between; its content is trimmed. A missing file is no token yet.
 * Throws ERR_CONFIG where the text holds a character that a header cannot carry.
 */
export function tokenFrom(options: {
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
}): TokenSource {
  const { tokenFile } = options;
  const text = options.token?.trim();
  if (text !== undefined && text !== "" && !LEGAL.test(text)) {
    throw new ApprovalError(
      "ERR_CONFIG",
      `The token (${text.length} characters) holds blanks, control or non-ASCII characters, which an HTTP header cannot carry; copy it again`,
    );
  }
  let current = text === undefined || text === "" ? firstRead(tokenFile) : text;
  let reading: Promise<boolean> | undefined;

  async function read(): Promise<boolean> {
    if (tokenFile === undefined) return false;
    const found = legal(await readFile(tokenFile, "utf8").catch(() => ""));
    // An empty or half-written file keeps the old token: the next 401 reads again.
    if (found === undefined || found === current) return false;
    current = found;
    return true;
  }

  return {
    current: () => current,
    reread() {
      reading ??= read().finally(() => (reading = undefined));
      return reading;
    },
  };
}

function firstRead(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return legal(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

function legal(text: string): string | undefined {
  const token = text.trim();
  return LEGAL.test(token) ? token : undefined;
}
