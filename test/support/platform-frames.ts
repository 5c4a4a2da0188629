/** Misbehaviour of the test platform's sockets, frame by frame: lost, doubled, late, or after the one that followed it. */
import type { Fault } from "./platform-faults.ts";
import type { PlatformSocket } from "./platform-sockets.ts";

export type FrameFault =
  /** It is never sent. */
  | "drop"
  /** It is sent twice. */
  | "twice"
  /** It is sent after the next frame of its socket, or when the rule is removed. */
  | "swap"
  /** It is sent so much later. Frames that are late by the same time keep their order. */
  | { readonly delayMs: number };

export interface FrameRule {
  /** Frames of this socket; of every socket by default. */
  readonly only?: PlatformSocket;
  /** Frames whose text matches; all of them by default. */
  readonly matching?: RegExp;
  /** So many matching frames; all of them by default. A frame counts once for each socket that it goes to. */
  readonly times?: number;
  readonly does: FrameFault;
}

interface Entry {
  readonly rule: FrameRule;
  hits: number;
  /** What waits for the next frame of its socket. */
  readonly kept: Map<PlatformSocket, () => void>;
}

export class FrameFaults {
  readonly #entries = new Set<Entry>();

  add(rule: FrameRule): Fault {
    const entry: Entry = { rule, hits: 0, kept: new Map() };
    this.#entries.add(entry);
    return {
      get hits() {
        return entry.hits;
      },
      remove: () => {
        this.#entries.delete(entry);
        for (const send of entry.kept.values()) send();
        entry.kept.clear();
      },
    };
  }

  /** Sends a frame to one socket, or does to it what the oldest rule that matches says. */
  pass(socket: PlatformSocket, data: string | Buffer, send: () => void): void {
    const entry = this.#entryFor(socket, data);
    const overtaken = this.#release(socket);
    if (entry === undefined) send();
    else this.#befall(entry, socket, send);
    for (const late of overtaken) late();
  }

  #befall(entry: Entry, socket: PlatformSocket, send: () => void): void {
    entry.hits += 1;
    const { does } = entry.rule;
    if (does === "drop") return;
    if (does === "swap") return void entry.kept.set(socket, send);
    if (does !== "twice") return void setTimeout(send, does.delayMs);
    send();
    send();
  }

  #release(socket: PlatformSocket): readonly (() => void)[] {
    return [...this.#entries].flatMap(({ kept }) => {
      const send = kept.get(socket);
      kept.delete(socket);
      return send ?? [];
    });
  }

  #entryFor(socket: PlatformSocket, data: string | Buffer): Entry | undefined {
    return [...this.#entries].find(
      ({ rule, hits, kept }) =>
        hits < (rule.times ?? Infinity) &&
        (rule.only === undefined || rule.only === socket) &&
        (rule.matching === undefined || data.toString().search(rule.matching) !== -1) &&
        // One waits already: this is the frame that goes before it.
        !kept.has(socket),
    );
  }
}
