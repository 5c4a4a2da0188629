/** Redaction of nested values: logs, audit extras, payloads that are shown. */
import { redact, REDACTED, withoutSecrets } from "./redact.ts";
import type { Json } from "./request.ts";

/** Keys whose value is a secret whatever it looks like. Compared in lower case without `-`, `_` and spaces, at the key's end. */
const SECRET_KEY =
  /(?:token|authorization|password|passwd|passphrase|secret|apikey|accesskey|privatekey|cookies?|credentials?)$/;
const DEPTH = 32;

/**
 * The value as JSON with every string redacted, and with everything under a telling key (`token`, `authorization`, `password`, `secret`,
 * `api_key`, `cookie` and the like, also at the end of a longer key) replaced. Booleans, null and empty strings there tell nothing and stay.
 * What is nested deeper than 32 levels is left out as "…"; what JSON has no form for becomes its string.
 */
export function redactJson(value: unknown, secrets: readonly string[] = [], depth = 0): Json {
  if (value === null || value === undefined || typeof value === "boolean") return value ?? null;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "string") return redact(value, secrets);
  if (typeof value !== "object") return redact(String(value), secrets);
  if (depth >= DEPTH) return "…";
  if (Array.isArray(value)) return value.map((item) => redactJson(item, secrets, depth + 1));
  // Entries and not assignment: a key `__proto__` stays a key.
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [
        redact(key, secrets),
        isSecretKey(key) && tells(item) ? REDACTED : redactJson(item, secrets, depth + 1),
      ]),
  );
}

/** The JSON value with the exact values of known secrets taken out of its strings and keys, and otherwise as it is. */
export function withoutSecretsJson(value: Json, secrets: readonly string[]): Json {
  if (secrets.length === 0 || value === null || typeof value !== "object") {
    return typeof value === "string" ? withoutSecrets(value, secrets) : value;
  }
  if (Array.isArray(value)) return value.map((item: Json) => withoutSecretsJson(item, secrets));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]: [string, Json]) => [
      withoutSecrets(key, secrets),
      withoutSecretsJson(item, secrets),
    ]),
  );
}

function isSecretKey(key: string): boolean {
  return SECRET_KEY.test(key.toLowerCase().replace(/[-_ ]/g, ""));
}

function tells(item: unknown): boolean {
  return item !== null && item !== "" && typeof item !== "boolean";
}
