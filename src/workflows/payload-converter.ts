/**
 * The payload converter of the workflow bundle. Anybody who reaches the Temporal server can signal a payload that no
 * converter reads; the SDK would fail the workflow task for ever, and with it the request. Such a payload reads as undefined.
 * What is still encrypted here, the worker had no key for: the result of an activity cannot be done without, the rest is marked.
 */
import { defaultPayloadConverter, type PayloadConverter } from "@temporalio/workflow";
import { isEncrypted } from "../domain/encryption.ts";
import { UNREADABLE, unreadable } from "./unreadable.ts";

type FromPayload = Parameters<PayloadConverter["fromPayload"]>;

export const payloadConverter: PayloadConverter = {
  toPayload: (value) => defaultPayloadConverter.toPayload(value),
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the interface has it
  fromPayload<T>(payload: FromPayload[0], context?: FromPayload[1]): T {
    if (isEncrypted(payload)) {
      if (context?.type === "activity") throw unreadable("the result of an activity");
      return UNREADABLE as T;
    }
    try {
      return defaultPayloadConverter.fromPayload<T>(payload);
    } catch {
      return undefined as T;
    }
  },
};
