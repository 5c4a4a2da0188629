/** Text from outside, made fit to be shown: nothing hidden in it, and not longer than the place allows. */
import { redact } from "./redact.ts";
import { utf8Length } from "./request.ts";
import { HIDDEN, visible } from "./visible.ts";

export { visible };

/** JSON text with the characters of `visible` as JSON's own `\uXXXX`, so that it reads the same and parses to the same value. */
export function visibleJson(json: string): string {
  return json.replace(HIDDEN, (character) => {
    let escaped = "";
    for (let at = 0; at < character.length; at++) {
      escaped += `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`;
    }
    return escaped;
  });
}

/** The text itself where it has at most so many UTF-8 bytes; else as many whole code points as fit, and "…". */
export function cut(text: string, bytes: number): string {
  if (utf8Length(text) <= bytes) return text;
  return fill(text, bytes, (character) => ({ text: character, bytes: utf8Length(character) }));
}

/** As `cut`, counting the bytes that the text has inside a JSON string written by `visibleJson`. */
export function cutJson(text: string, bytes: number): string {
  if (jsonBytes(text) <= bytes) return text;
  return fill(text, bytes, (character) => ({ text: character, bytes: jsonBytes(character) }));
}

/**
 * The action as the Temporal UI shows it: redacted, visible, at most 120 characters and 300 bytes of JSON.
 * The server refuses a summary of more than 400 bytes, and with it the start of the workflow.
 */
export function summaryText(action: string, secrets: readonly string[] = []): string {
  const text = redact(action, secrets);
  const whole = visible(text);
  if ([...whole].length <= 120 && jsonBytes(whole) <= 300) return whole;
  let room = 119;
  return fill(text, 300, (character) => {
    const shown = visible(character);
    room -= [...shown].length;
    return { text: shown, bytes: room < 0 ? Infinity : jsonBytes(shown) };
  });
}

/** As many characters as fit into the bytes with a closing "…"; without it where there is no room for even that. */
function fill(text: string, bytes: number, take: (character: string) => { text: string; bytes: number }): string {
  const end = bytes < 3 ? "" : "…";
  let left = bytes - utf8Length(end);
  let result = "";
  for (const character of text) {
    const next = take(character);
    if (next.bytes > left) break;
    left -= next.bytes;
    result += next.text;
  }
  return result + end;
}

/** Bytes between the quotes. */
function jsonBytes(text: string): number {
  return utf8Length(visibleJson(JSON.stringify(text))) - 2;
}
