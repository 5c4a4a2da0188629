/**
 * The payload converter of the workflow bundle. Anybody who reaches the Temporal server can signal a payload that no
 * converter reads; the SDK would fail the workflow task for ever, and with it the request. Such a payload reads as undefined.
 */
import { DefaultPayloadConverter, type Payload } from "@temporalio/common";

class LenientPayloadConverter extends DefaultPayloadConverter {
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the base class has it
  override fromPayload<T>(payload: Payload): T {
    try {
      return super.fromPayload<T>(payload);
    } catch {
      return undefined as T;
    }
  }
}

export const payloadConverter = new LenientPayloadConverter();
