/**
 * Encrypts what Temporal stores: AES-256-GCM, NIST SP 800-38D, with a random 96-bit nonce for each payload.
 * The layout is that of Temporal's own encryption samples, so that a codec server or a client in another language can share the keys.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { Payload, PayloadCodec } from "@temporalio/common";
import proto from "@temporalio/proto";
import { ENCRYPTED, isEncrypted, KEY_ID } from "../domain/encryption.ts";
import { ApprovalError } from "../domain/errors.ts";
import { watchWorkflowId } from "../domain/names.ts";
import { cut, visible } from "../domain/text.ts";
import type { PayloadKey } from "./payload-keys.ts";

const wire = proto.temporal.api.common.v1.Payload;
const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** How long a worker insists on a key that it does not have: long enough to correct a rotation in the wrong order. */
const INSIST_MS = 5 * 60_000;
/** Key ids are foreign text: no more of them are remembered. */
const IDS_KEPT = 100;
const PROBLEMS_KEPT = 5;

export interface CodecOptions {
  /**
   * Where given, hears of all that cannot be decrypted, whenever there is something new, and such a payload is passed on as it is: workflow code ignores it in a
   * signal, and goes no further with any other. Without it, decoding throws.
   */
  readonly onUnreadable?: (problem: string) => void;
  /** Milliseconds for which decoding throws all the same where the key is not known. Default: 5 minutes. */
  readonly insistMs?: number;
}

/**
 * A codec that encrypts with the first key and decrypts with any. Payloads that are not encrypted are read as they are;
 * without keys nothing is encrypted.
 * Decoding throws ApprovalError ERR_CONFIG, which names the key's id, where the key is missing or does not fit.
 */
export function createPayloadCodec(keys: readonly PayloadKey[], options: CodecOptions = {}): PayloadCodec {
  const { onUnreadable, insistMs = INSIST_MS } = options;
  const [first] = keys;
  const missed = new Map<string, number>();
  const problems = new Set<string>();

  /** A genuine signal must not be skipped just because its key comes a minute later; a forged one must not hold a request for ever. */
  const insists = (id: string, workflowId: string): boolean => {
    // A worker with a wrong key wakes the watch too, and all others must not stand still for that.
    if (keys.length === 0 || workflowId.startsWith(watchWorkflowId(""))) return false;
    const since = missed.get(id) ?? (missed.size < IDS_KEPT ? Date.now() : -Infinity);
    if (missed.size < IDS_KEPT) missed.set(id, since);
    return Date.now() - since < insistMs;
  };

  const tell = (problem: string): void => {
    if (problems.has(problem) || problems.size >= PROBLEMS_KEPT) return;
    problems.add(problem);
    onUnreadable?.([...problems].join("; also: "));
  };

  const decodeOne = (payload: Payload, workflowId: string): Payload => {
    if (!isEncrypted(payload)) return payload;
    const id = Buffer.from(payload.metadata?.[KEY_ID] ?? []).toString("utf8");
    const key = keys.find((one) => one.id === id);
    try {
      if (key === undefined) throw missing(id, keys);
      return decrypt(payload.data ?? new Uint8Array(), key);
    } catch (error) {
      if (onUnreadable === undefined || !(error instanceof ApprovalError)) throw error;
      tell(error.message);
      if (key === undefined && insists(id, workflowId)) throw error;
      return payload;
    }
  };
  return {
    encode: async (payloads) => (first === undefined ? payloads : payloads.map((payload) => encrypt(payload, first))),
    decode: async (payloads, context) => payloads.map((payload) => decodeOne(payload, context?.workflowId ?? "")),
  };
}

function encrypt(payload: Payload, { id, bytes }: PayloadKey): Payload {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, bytes, nonce);
  const text = cipher.update(wire.encode(payload).finish());
  return {
    metadata: { encoding: Buffer.from(ENCRYPTED), [KEY_ID]: Buffer.from(id) },
    data: Buffer.concat([nonce, text, cipher.final(), cipher.getAuthTag()]),
  };
}

function decrypt(data: Uint8Array, { id, bytes }: PayloadKey): Payload {
  try {
    const end = data.length - TAG_BYTES;
    const decipher = createDecipheriv(CIPHER, bytes, data.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAuthTag(data.subarray(end));
    return wire.decode(Buffer.concat([decipher.update(data.subarray(NONCE_BYTES, end)), decipher.final()]));
  } catch (error) {
    throw new ApprovalError(
      "ERR_CONFIG",
      `A payload in Temporal names the key "${id}" and cannot be decrypted with it: the key is another one, or the payload was changed; compare "${id}" in every COUNTERSIGN_PAYLOAD_KEYS`,
      { cause: error },
    );
  }
}

function missing(id: string, keys: readonly PayloadKey[]): ApprovalError {
  const named = `the key "${cut(visible(id), 64)}"`;
  const known = keys.map((key) => `"${key.id}"`).join(", ");
  return new ApprovalError(
    "ERR_CONFIG",
    keys.length === 0
      ? `A payload in Temporal is encrypted with ${named}, and COUNTERSIGN_PAYLOAD_KEYS is not set here; set it to the keys of this namespace`
      : `A payload in Temporal is encrypted with ${named}, and COUNTERSIGN_PAYLOAD_KEYS has only ${known}; add that key to it`,
  );
}
