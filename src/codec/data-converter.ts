/** What every client and worker of ours gives to the SDK, so that all of them read and write the same payloads. */
import { fileURLToPath } from "node:url";
import { defaultPayloadConverter, type DataConverter, type Payload } from "@temporalio/common";
import { createPayloadCodec, type CodecOptions } from "./payload-codec.ts";
import type { PayloadKey } from "./payload-keys.ts";

const FAILURE_CONVERTER = fileURLToPath(new URL("failure-converter.js", import.meta.url));

/** Without keys nothing is encrypted, and an encrypted payload is told of instead of being misread. */
export function dataConverterOf(keys: readonly PayloadKey[], options?: CodecOptions): DataConverter {
  return {
    payloadCodecs: [createPayloadCodec(keys, options)],
    ...(keys.length === 0 ? {} : { failureConverterPath: FAILURE_CONVERTER }),
  };
}

/** The value in a payload of a raw answer. Throws as the codec does, and as the SDK does for an encoding that it does not know. */
export async function readPayload(keys: readonly PayloadKey[], payload: Payload): Promise<unknown> {
  const [decoded] = await createPayloadCodec(keys).decode([payload]);
  return defaultPayloadConverter.fromPayload(decoded ?? payload);
}
