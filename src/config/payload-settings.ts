/** Whether, and with which keys, Temporal's payloads are encrypted (docs/encryption.md). */
import { KEYS_ALLOWED, parsePayloadKeys, type PayloadKey } from "../codec/payload-keys.ts";
import type { Settings } from "./settings.ts";

const NAME = "COUNTERSIGN_PAYLOAD_KEYS";

/** COUNTERSIGN_PAYLOAD_KEYS or the content of COUNTERSIGN_PAYLOAD_KEYS_FILE; none means that nothing is encrypted. */
export function payloadSettings(settings: Settings): {
  readonly payloadKeys: readonly PayloadKey[];
  readonly secrets: readonly string[];
} {
  const { value, file, content } = settings.secret(NAME);
  const found = value ?? content;
  if (found === undefined) {
    // Who names a file wants encryption; an empty one must not turn it off.
    if (file !== undefined) settings.problems.push(`${NAME}_FILE ${file} gives no keys; allowed: ${KEYS_ALLOWED}`);
    return { payloadKeys: [], secrets: [] };
  }
  const secrets = [found, ...found.split(",").map((part) => part.slice(part.indexOf(":") + 1))];
  const keys = parsePayloadKeys(found);
  if (!("problem" in keys)) return { payloadKeys: keys, secrets };
  settings.problems.push(`${NAME} ${keys.problem} (not shown); allowed: ${KEYS_ALLOWED}`);
  return { payloadKeys: [], secrets };
}
