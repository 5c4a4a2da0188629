/** The sockets of the test platform: who is connected, who hears what. Rules: docs/protocol.md, "Socket" and "Events". */
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import { FrameFaults } from "./platform-frames.ts";
import type { Workspace } from "./platform-store.ts";
import { throttle } from "./platform-throttle.ts";

export interface PlatformSocket {
  /** The X-Workspace-ID of the handshake; undefined for a canvas client, which hears everything. */
  readonly workspaceId: string | undefined;
  /** For frames that no well-behaved server sends. */
  readonly raw: WebSocket;
}

export class PlatformSockets {
  readonly frameFaults = new FrameFaults();
  readonly #live = new Set<PlatformSocket>();
  readonly #frozen = new Set<PlatformSocket>();
  readonly #changed: () => void;
  #held: (() => void)[] | undefined;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Connected and not frozen. */
  get live(): readonly PlatformSocket[] {
    return [...this.#live];
  }

  add(raw: WebSocket, workspaceId: string | undefined): PlatformSocket {
    const socket: PlatformSocket = { raw, workspaceId };
    this.#live.add(socket);
    raw.on("close", () => {
      this.#live.delete(socket);
      this.#frozen.delete(socket);
      this.#changed();
    });
    // A client that breaks the framing ends its own connection; "close" follows.
    raw.on("error", () => {});
    this.#changed();
    return socket;
  }

  /** Sends an event to every socket that may hear of it, at once or when `resume` is called. */
  emit(text: string, hears: (listenerId: string | undefined) => boolean): void {
    const deliver = (): void => {
      for (const socket of this.live) if (hears(socket.workspaceId)) this.#send(socket, text, false);
      this.#changed();
    };
    if (this.#held === undefined) deliver();
    else this.#held.push(deliver);
  }

  send(workspaceId: string, data: string | Buffer, binary: boolean): number {
    const reached = this.live.filter((socket) => socket.workspaceId === workspaceId);
    for (const socket of reached) this.#send(socket, data, binary);
    this.#changed();
    return reached.length;
  }

  /** Every live socket hears only so many bytes a second, pongs among them, until the returned function is called. */
  slow(bytesPerSecond: number): () => void {
    const lifts = this.live.map(({ raw }) => {
      const connection = (raw as unknown as { readonly _socket?: Socket })._socket;
      return connection === undefined ? () => {} : throttle(connection, bytesPerSecond);
    });
    return () => lifts.forEach((lift) => lift());
  }

  pause(): void {
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const deliver of held) deliver();
  }

  /** Without a code the connection is cut, which a client sees as 1006. */
  drop(code?: number): void {
    for (const socket of [...this.#live, ...this.#frozen]) {
      if (code === undefined) socket.raw.terminate();
      else socket.raw.close(code);
    }
  }

  /** Half-open: nothing more is read, answered or sent, and the connection stays. */
  freeze(only?: PlatformSocket): void {
    for (const socket of only === undefined ? this.live : [only]) {
      socket.raw.pause();
      this.#live.delete(socket);
      this.#frozen.add(socket);
    }
    this.#changed();
  }

  #send(socket: PlatformSocket, data: string | Buffer, binary: boolean): void {
    this.frameFaults.pass(socket, data, () => {
      // A frame that is late may find its socket closed, or frozen, which sends nothing.
      if (this.#live.has(socket)) socket.raw.send(data, { binary });
    });
  }
}

/** A workspace hears of itself, of its siblings (all roots are siblings), of its ancestors and of its descendants. */
export function hearsOf(
  workspaces: ReadonlyMap<string, Workspace>,
  listenerId: string | undefined,
  subjectId: string,
): boolean {
  if (listenerId === undefined || listenerId === subjectId) return true;
  const listener = workspaces.get(listenerId);
  const subject = workspaces.get(subjectId);
  if (listener === undefined || subject === undefined) return false;
  return (
    listener.parent === subject.parent ||
    descendsFrom(workspaces, listener, subjectId) ||
    descendsFrom(workspaces, subject, listenerId)
  );
}

function descendsFrom(workspaces: ReadonlyMap<string, Workspace>, from: Workspace, ancestorId: string): boolean {
  let parent = from.parent;
  // The real platform walks 32 levels up at most; a loop in a test's workspaces ends here too.
  for (let level = 0; parent !== undefined && level < 32; level += 1) {
    if (parent === ancestorId) return true;
    parent = workspaces.get(parent)?.parent;
  }
  return false;
}
