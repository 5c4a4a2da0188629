/**
 * Secrets out of text before it is stored or shown: audit log, logs, error texts, Temporal's UI.
 * Three layers: exact values of known secrets, values after a telling name, and shapes of well-known tokens.
 * The platform, and `countersign show`, give the exact text, because a person must see what will be done.
 */
import { SHAPES, VALUES, type Rule } from "./redact-rules.ts";

export const REDACTED = "***REDACTED***";

/** Longer text is cut at the last white space before this many UTF-16 units, so that a hostile one costs no more than this. */
export const REDACT_LIMIT = 256 * 1024;

/** A known secret shorter than this would blacken ordinary words, and is left to the other layers. */
const SHORTEST_SECRET = 4;

/** The text without the exact values of known secrets, and otherwise as it is: for people who must see exactly what will be done. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return variantsOf(secrets).reduce(withoutExact, text);
}

/**
 * The text with every secret replaced by `***REDACTED***`. Takes linear time, and changes nothing when applied again.
 * `secrets` are exact values to be removed wherever they stand, also where they are URL-encoded or escaped as JSON.
 */
export function redact(text: string, secrets: readonly string[] = []): string {
  const exact = variantsOf(secrets);
  let result = bounded(text);
  // A replacement can uncover another secret that had stood without a boundary before it.
  for (let round = 0; round < 4; round++) {
    const before = result;
    for (const secret of exact) result = withoutExact(result, secret);
    result = withoutKeyBlocks(result);
    for (const rule of SHAPES) result = apply(result, rule);
    for (const rule of VALUES) result = apply(result, rule);
    result = bounded(result);
    if (result === before) break;
  }
  return result;
}

function apply(text: string, { pattern, isSecret }: Rule): string {
  return text.replace(pattern, (match: string, ...rest: unknown[]) => {
    const last = rest.at(-1);
    const groups = (typeof last === "object" ? last : {}) as { before?: string; value?: string; after?: string };
    if (isSecret?.(groups.value ?? match) === false) return match;
    return `${groups.before ?? ""}${REDACTED}${groups.after ?? ""}`;
  });
}

function variantsOf(secrets: readonly string[]): readonly string[] {
  const all = new Set<string>();
  for (const secret of secrets) {
    if (secret.length < SHORTEST_SECRET) continue;
    all.add(secret);
    all.add(JSON.stringify(secret).slice(1, -1));
    // A lone surrogate has no URL form.
    if (!LONE_SURROGATE.test(secret)) all.add(encodeURIComponent(secret));
  }
  // Longest first: one secret may contain another.
  return [...all].toSorted((a, b) => b.length - a.length);
}

const LONE_SURROGATE = /\p{Cs}/u;

/** Between the marks only, so that a secret such as "REDACTED" does not eat them. */
function withoutExact(text: string, secret: string): string {
  if (!text.includes(secret)) return text;
  return text
    .split(REDACTED)
    .map((part) => part.replaceAll(secret, REDACTED))
    .join(REDACTED);
}

const KEY_BEGIN = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----/g;
const KEY_END = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----/g;

/** PEM private keys, by search and not by one pattern, which would look for the end again from every beginning. */
function withoutKeyBlocks(text: string): string {
  let result = "";
  let from = 0;
  for (;;) {
    KEY_BEGIN.lastIndex = from;
    const begin = KEY_BEGIN.exec(text);
    if (begin === null) return result + text.slice(from);
    KEY_END.lastIndex = begin.index;
    const end = KEY_END.exec(text);
    result += text.slice(from, begin.index) + REDACTED;
    // Without its end, the key goes on to the end of the text.
    if (end === null) return result;
    from = KEY_END.lastIndex;
  }
}

function bounded(text: string): string {
  if (text.length <= REDACT_LIMIT) return text;
  let end = REDACT_LIMIT - 1;
  // Half a secret is not recognised as one: the broken last word goes too.
  const least = end - 4096;
  while (end > least && !/\s/.test(text.charAt(end))) end--;
  if (LONE_SURROGATE.test(text.slice(end - 1, end))) end--;
  return `${text.slice(0, end)}…`;
}
