/**
 * JSON from outside, read strictly. Two readers that disagree about a duplicate key can be made to disagree about a decision,
 * so such a text is no JSON here (RFC 8259, section 4, leaves its meaning open).
 */
import { ApprovalError } from "../domain/errors.ts";

/** Far deeper than anything the protocol nests; keeps hostile nesting from costing memory. */
const MAX_DEPTH = 64;

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a body. Throws ERR_PLATFORM_UNREADABLE where it is not UTF-8. A byte order mark stays, and `parseJson` refuses it. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw unreadable("is not UTF-8");
  }
}

/**
 * The value of a JSON text. Throws ERR_PLATFORM_UNREADABLE for anything that is not JSON, for duplicate keys at any depth
 * (also where they are spelled with different escapes), for a key `__proto__`, and for more than 64 levels.
 * The message never quotes the text, which may hold secrets.
 */
export function parseJson(text: string): unknown {
  checkKeys(text);
  try {
    return JSON.parse(text);
  } catch {
    throw unreadable(text.trim() === "" ? "is empty" : "is not JSON");
  }
}

/** One pass without recursion. Runs before JSON.parse, so it may see any text; on one that is not JSON its verdict is as good as any. */
function checkKeys(text: string): void {
  // A set of keys per open object, `undefined` per open array.
  const open: (Set<string> | undefined)[] = [];
  let keyMayFollow = false;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x7b: // {
        open.push(new Set());
        keyMayFollow = true;
        break;
      case 0x5b: // [
        open.push(undefined);
        keyMayFollow = false;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        open.pop();
        keyMayFollow = false;
        break;
      case 0x2c: // ,
        keyMayFollow = open.at(-1) !== undefined;
        break;
      case 0x22: {
        // "
        const end = endOfString(text, at);
        if (keyMayFollow) addKey(open.at(-1), text.slice(at, end + 1));
        keyMayFollow = false;
        at = end;
        break;
      }
      default:
    }
    if (open.length > MAX_DEPTH) throw unreadable(`is nested more than ${MAX_DEPTH} levels deep`);
  }
}

function addKey(keys: Set<string> | undefined, quoted: string): void {
  const key = quoted.includes("\\") ? unescaped(quoted) : quoted.slice(1, -1);
  if (key === "__proto__") throw unreadable("has a key __proto__");
  if (keys?.has(key)) throw unreadable("has a duplicate key");
  keys?.add(key);
}

function unescaped(quoted: string): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    throw unreadable("is not JSON");
  }
}

/** Index of the closing quote of the string that opens at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  let end = start;
  for (;;) {
    end = text.indexOf('"', end + 1);
    if (end === -1) return text.length;
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}

function unreadable(problem: string): ApprovalError {
  return new ApprovalError("ERR_PLATFORM_UNREADABLE", `the text ${problem}`);
}
