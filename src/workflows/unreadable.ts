/** Payloads that this worker has no key for. A request must wait for a worker that has it, not end by what cannot be read. */

/** Stands for a value that could not be decrypted; no signal's check takes it for anything. */
export const UNREADABLE: object = Object.freeze({});

/** Throws where a value could not be decrypted: the workflow task fails and is tried again, and the workflow stays as it is. */
export function requireReadable(...values: readonly unknown[]): void {
  if (values.includes(UNREADABLE)) throw unreadable("the input");
}

/** An ordinary error, which fails the task; an ApplicationFailure would fail the workflow. */
export function unreadable(what: string): Error {
  return new Error(`${what} is encrypted with a key that this worker does not have; see COUNTERSIGN_PAYLOAD_KEYS`);
}
