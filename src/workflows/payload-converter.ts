/**
 * The payload converter of the workflow bundle. Anybody who reaches the Temporal server can signal a payload that no
 * converter reads; the SDK would fail the workflow task for ever, and with it the request. Such a payload reads as undefined.
 */
import { defaultPayloadConverter, type PayloadConverter } from "@temporalio/workflow";

export const payloadConverter: PayloadConverter = {
  toPayload: (value) => defaultPayloadConverter.toPayload(value),
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the interface has it
  fromPayload<T>(payload: Parameters<PayloadConverter["fromPayload"]>[0]): T {
    try {
      return defaultPayloadConverter.fromPayload<T>(payload);
    } catch {
      return undefined as T;
    }
  },
};
