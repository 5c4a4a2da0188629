/** The keys that encrypt what Temporal stores (docs/encryption.md, "Keys"). */

/** One AES-256 key. */
export interface PayloadKey {
  /** Stands in clear beside every payload that the key encrypted. */
  readonly id: string;
  /** 32 bytes. */
  readonly bytes: Uint8Array;
}

/** What COUNTERSIGN_PAYLOAD_KEYS may be. */
export const KEYS_ALLOWED =
  "id:key[,id:key…], at most 16, each id once and of 1 to 64 of A-Z a-z 0-9 . _ -, each key the base64 of 32 random bytes; the first one encrypts, all decrypt";

const MOST_KEYS = 16;
const KEY_BYTES = 32;

/** The keys in their order, or what is wrong with the text, in words that tell nothing of a key. */
export function parsePayloadKeys(text: string): readonly PayloadKey[] | { readonly problem: string } {
  const keys: PayloadKey[] = [];
  const parts = text.split(",");
  if (parts.length > MOST_KEYS) return { problem: `has ${parts.length} keys` };
  for (const [at, part] of parts.entries()) {
    const [, id, base64] = /^([A-Za-z0-9._-]{1,64}):([A-Za-z0-9+/_-]+={0,2})$/.exec(part) ?? [];
    if (id === undefined || base64 === undefined) return { problem: `has no id:key in place ${at + 1}` };
    const bytes = Buffer.from(base64, "base64");
    if (bytes.length !== KEY_BYTES) return { problem: `has a key "${id}" of ${bytes.length} bytes` };
    if (keys.some((key) => key.id === id)) return { problem: `has the id "${id}" twice` };
    keys.push({ id, bytes });
  }
  return keys;
}
