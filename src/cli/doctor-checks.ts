/** What a check of `countersign doctor` is, and the running of many. */
import { ApprovalError, messageOf } from "../domain/errors.ts";

export interface Finding {
  readonly status: "ok" | "warning" | "failed";
  readonly detail: string;
  /** What to do; absent where all is well. */
  readonly remedy?: string;
}

export interface Check extends Finding {
  readonly name: string;
}

/** Does its work until `signal` fires. What it throws is a failure, see `failureOf`. */
export type Examine = (signal: AbortSignal) => Promise<Finding>;

const LIMIT_MS = 10_000;

export function ok(detail: string): Finding {
  return { status: "ok", detail };
}

export function warning(detail: string, remedy?: string): Finding {
  return { status: "warning", detail, ...(remedy === undefined ? {} : { remedy }) };
}

export function failed(detail: string, remedy?: string): Finding {
  return { status: "failed", detail, ...(remedy === undefined ? {} : { remedy }) };
}

export function notChecked(why: string): Finding {
  return warning(`not checked: ${why}`);
}

/** Runs one check; it has failed where it takes longer than 10 s. Never rejects. */
export async function runCheck(name: string, examine: Examine, limitMs = LIMIT_MS): Promise<Check> {
  const ender = new AbortController();
  let limit: NodeJS.Timeout | undefined;
  const late = new Promise<Finding>((resolve) => {
    limit = setTimeout(() => {
      resolve(
        failed(`no answer within ${limitMs / 1_000} s`, "look whether something between here and there drops packets"),
      );
      ender.abort();
    }, limitMs);
  });
  try {
    const finding = await Promise.race([examine(ender.signal).catch(failureOf), late]);
    return { name, ...finding };
  } finally {
    clearTimeout(limit);
  }
}

/** A failure: our error texts end in what to do, after a semicolon. */
export function failureOf(error: unknown): Finding {
  if (!(error instanceof ApprovalError)) return failed(messageOf(error));
  const at = error.message.lastIndexOf("; ");
  return at === -1 ? failed(error.message) : failed(error.message.slice(0, at), error.message.slice(at + 2));
}
