/** The log of a process: JSON lines on stderr, without secrets and without characters that a terminal would obey. */
import { pino, stdTimeFunctions } from "pino";
import { messageOf } from "./domain/errors.ts";
import { redactJson } from "./domain/redact-json.ts";
import type { Json } from "./domain/request.ts";
import { visible, visibleJson } from "./domain/text.ts";

/** Fields first, then the message; or the message alone. */
interface Write {
  (fields: object, message: string): void;
  (message: string): void;
}

export interface Log {
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
}

export interface LoggerOptions {
  /** The process: `worker`, `bridge`, `inbox`. */
  readonly name: string;
  /** Exact values that never appear. */
  readonly secrets: readonly string[];
  /** Takes whole lines. Default: stderr. */
  readonly destination?: { write(line: string): unknown };
}

/**
 * A logger of level `info`. Every line is cleaned as a whole just before it is written: message, fields, nested values and their keys.
 * Errors under `err` or `error` become their code and message; a stack is kept where the error is not one of ours.
 */
export function createLogger({ name, secrets, destination = process.stderr }: LoggerOptions): Log {
  const stream = {
    write(line: string) {
      const entry = redactJson(JSON.parse(line), secrets);
      destination.write(`${visibleJson(JSON.stringify(shown(entry)))}\n`);
    },
  };
  const logger = pino(
    {
      name,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      serializers: { err: describe, error: describe },
    },
    stream,
  );
  return logger;
}

function describe(thrown: unknown): Json {
  if (!(thrown instanceof Error)) return redactJson(thrown);
  const { code } = thrown as { code?: unknown };
  const stack = thrown.name === "ApprovalError" ? undefined : thrown.stack?.split("\n").slice(1, 9);
  return {
    ...(typeof code === "string" ? { code } : {}),
    message: messageOf(thrown),
    ...(stack === undefined ? {} : { stack: stack.map((line) => line.trim()) }),
  };
}

function shown(value: Json): Json {
  if (typeof value === "string") return visible(value);
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [visible(key), shown(item)]));
}
