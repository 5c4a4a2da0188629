/** Text that comes from elsewhere (an agent, the platform, Temporal, an error), made fit for a terminal and for a log of it. */
import { loadConfig } from "../config.ts";
import { redactJson } from "../domain/redact-json.ts";
import { redact } from "../domain/redact.ts";
import type { Json } from "../domain/request.ts";
import { marked } from "../domain/visible.ts";
import type { Io } from "./io.ts";

const cache = new WeakMap<Io, readonly string[]>();

/** The secrets of the command's environment; none where its settings cannot be read. */
export function knownSecrets(io: Io): readonly string[] {
  const known = cache.get(io) ?? secretsOf(io.env);
  cache.set(io, known);
  return known;
}

function secretsOf(env: NodeJS.ProcessEnv | undefined): readonly string[] {
  // DATABASE_URL may be another program's, and then no PostgreSQL.
  for (const database of [true, false]) {
    try {
      return loadConfig(env, { database }).secrets;
    } catch {
      // The command itself tells what is wrong with them.
    }
  }
  return [];
}

/** One line without secrets and without characters that a terminal would obey. */
export function shown(io: Io, text: string): string {
  return marked(redact(text, knownSecrets(io)));
}

/** The value with every string in it redacted. */
export function shownJson(io: Io, value: unknown): Json {
  return redactJson(value, knownSecrets(io));
}
