/** The folder in which `up` and `inbox` keep what must outlive them, by default `.countersign`. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ApprovalError, messageOf } from "../domain/errors.ts";
import type { TokenList } from "../inbox/tokens.ts";

export const DEFAULT_DATA_FOLDER = ".countersign";
/** The workspace where WORKSPACE_ID is not set. */
export const DEMO_WORKSPACE = "demo";
/** What `decided_by` says of a decision made with the folder's reviewer token. */
const REVIEWER = "reviewer";

/** Absolute paths. */
export interface DataFolder {
  readonly path: string;
  readonly agentTokenFile: string;
  readonly reviewerTokenFile: string;
  /** Lets `countersign inbox token` speak to an inbox that runs on this folder. */
  readonly operatorTokenFile: string;
  readonly hintKeyFile: string;
  /** The inbox's database. */
  readonly inboxData: string;
  /** Names the process id of the inbox that has the database open, alone or in `up`. */
  readonly inboxLock: string;
  /** Where the inbox of this folder can be reached, while it runs. */
  readonly inboxAddressFile: string;
  readonly temporalDb: string;
  readonly temporalLog: string;
  readonly auditLog: string;
  readonly upLog: string;
  /** Names the process id of the `up` that runs on this folder. */
  readonly lockFile: string;
  /** To be sourced by a shell. */
  readonly envFile: string;
}

/**
 * Makes the folder (0700) and its secrets (0600) where they are missing. What is there already stays as it is.
 * Throws ERR_CONFIG naming the path and what the system said.
 */
export function openDataFolder(path: string): DataFolder {
  const root = resolve(path);
  const at = (name: string): string => join(root, name);
  const folder: DataFolder = {
    path: root,
    agentTokenFile: at("agent.token"),
    reviewerTokenFile: at("reviewer.token"),
    operatorTokenFile: at("operator.token"),
    hintKeyFile: at("hint.key"),
    inboxData: at("inbox"),
    inboxLock: at("inbox.pid"),
    inboxAddressFile: at("inbox.json"),
    temporalDb: at("temporal.db"),
    temporalLog: at("temporal.log"),
    auditLog: at("audit.jsonl"),
    upLog: at("up.log"),
    lockFile: at("up.pid"),
    envFile: at("env"),
  };
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 });
    // Secrets must not be committed with the project in which the folder stands.
    createOnce(at(".gitignore"), "*\n");
    const secrets = [folder.agentTokenFile, folder.reviewerTokenFile, folder.operatorTokenFile, folder.hintKeyFile];
    for (const file of secrets) {
      createOnce(file, randomBytes(32).toString("base64url"));
    }
  } catch (error) {
    throw new ApprovalError(
      "ERR_CONFIG",
      `The data folder ${root} cannot be made: ${messageOf(error)}; give another one with --data`,
      { cause: error },
    );
  }
  return folder;
}

/** Who the inbox of this folder lets in: the agent of one workspace, and the reviewer. Throws ERR_CONFIG for a file that cannot be read. */
export function tokenListOf(folder: DataFolder, workspaceId: string): TokenList {
  return {
    agents: [{ workspaceId, token: secretIn(folder.agentTokenFile) }],
    reviewers: [{ name: REVIEWER, token: secretIn(folder.reviewerTokenFile) }],
  };
}

/** The trimmed content of a secret's file. Throws ERR_CONFIG for one that cannot be read, or is empty. */
export function secretIn(file: string): string {
  let secret: string;
  try {
    secret = readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new ApprovalError("ERR_CONFIG", `The token file ${file} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (secret !== "") return secret;
  throw new ApprovalError("ERR_CONFIG", `The token file ${file} is empty; delete it, and the next start makes another`);
}

function createOnce(file: string, content: string): void {
  try {
    writeFileSync(file, content, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
