/** The settings of the stack that `up` runs: the user's, but for what `up` itself decides. */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DataFolder } from "./data-folder.ts";

export interface EmbeddedEnv {
  /** For `loadConfig`. */
  readonly env: NodeJS.ProcessEnv;
  /** What another terminal must set and unset to reach this stack. */
  readonly set: Readonly<Record<string, string>>;
  readonly unset: readonly string[];
}

/** Names that would contradict ours: other credentials, or a way to another server. TEMPORAL_CLI only names a program. */
const CONTRADICTING =
  /^(?:TEMPORAL_(?!CLI$).*|PLATFORM_(?:TOKEN|ORIGIN|ORG_ID)|REVIEWER_TOKEN|COUNTERSIGN_HINT_KEY|DATABASE_URL(?:_FILE)?)$/;
/** Always unset in the other terminal, which may have them where this one has not. */
const ALWAYS_UNSET = [
  "PLATFORM_TOKEN",
  "PLATFORM_ORIGIN",
  "PLATFORM_ORG_ID",
  "REVIEWER_TOKEN",
  "COUNTERSIGN_HINT_KEY",
  "TEMPORAL_API_KEY",
  "TEMPORAL_NAMESPACE",
  "TEMPORAL_PROFILE",
  "TEMPORAL_TLS",
];

export function embeddedEnv(
  user: NodeJS.ProcessEnv,
  folder: DataFolder,
  stack: { readonly workspaceId: string; readonly platformUrl: string; readonly temporalAddress: string },
): EmbeddedEnv {
  const set: Record<string, string> = {
    WORKSPACE_ID: stack.workspaceId,
    PLATFORM_URL: stack.platformUrl,
    PLATFORM_TOKEN_FILE: folder.agentTokenFile,
    REVIEWER_TOKEN_FILE: folder.reviewerTokenFile,
    COUNTERSIGN_HINT_KEY_FILE: folder.hintKeyFile,
    AUDIT_LOG_PATH: folder.auditLog,
    TEMPORAL_ADDRESS: stack.temporalAddress,
    // A profile of the user's may lead to another server; a file that is not there has none.
    TEMPORAL_CONFIG_FILE: join(folder.path, "temporal.toml"),
  };
  const queue = user["COUNTERSIGN_TASK_QUEUE"]?.trim();
  if (queue) set["COUNTERSIGN_TASK_QUEUE"] = queue;
  const kept = Object.entries(user).filter(([name]) => !CONTRADICTING.test(name));
  const dropped = Object.keys(user).filter((name) => CONTRADICTING.test(name) && !(name in set));
  return {
    env: { ...Object.fromEntries(kept), ...set },
    set,
    unset: [...new Set([...ALWAYS_UNSET, ...dropped])].filter((name) => /^\w+$/.test(name)).toSorted(),
  };
}

/** Writes the file that `. <file>` reads: every POSIX shell. */
export function writeEnvFile(file: string, { set, unset }: EmbeddedEnv): void {
  const lines = [
    `unset ${unset.join(" ")}`,
    ...Object.entries(set).map(([name, value]) => `export ${name}=${shellQuoted(value)}`),
  ];
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${lines.join("\n")}\n`, { mode: 0o600 });
  renameSync(draft, file);
}

/** One word of a POSIX shell; plain where it needs no quotes. */
export function shellQuoted(text: string): string {
  return /^[\w./:@=,+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
