/** The form of an encrypted Temporal payload (docs/encryption.md, "Format"): what worker, client and workflow code must agree on. */

/** `metadata.encoding` of an encrypted payload. */
export const ENCRYPTED = "binary/encrypted";

/** The metadata field that names the key; the id is no secret. */
export const KEY_ID = "encryption-key-id";

/** True for a payload whose metadata says that it is encrypted. */
export function isEncrypted(payload: {
  readonly metadata?: { readonly [name: string]: Uint8Array } | null | undefined;
}): boolean {
  const encoding = payload.metadata?.["encoding"];
  // Workflow code has no TextDecoder, and the word is ASCII.
  return encoding?.length === ENCRYPTED.length && String.fromCharCode(...encoding) === ENCRYPTED;
}
