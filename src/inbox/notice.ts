/** What the processes of one database tell each other by NOTIFY: that something changed, and its id. A payload has room for 8000 bytes. */

export const CHANNEL = "countersign_inbox";

const KINDS = ["requested", "decided", "revoked"] as const;

export interface Notice {
  /** `revoked`: a token, whose sockets must close. */
  readonly kind: (typeof KINDS)[number];
  readonly id: string;
}

export function notice(kind: Notice["kind"], id: string): string {
  return `${kind}:${id}`;
}

/** `undefined` for what no version of ours has sent. */
export function parseNotice(payload: string): Notice | undefined {
  const [, name, id] = /^(\w+):([\w-]+)$/.exec(payload) ?? [];
  const kind = KINDS.find((one) => one === name);
  return kind === undefined || id === undefined ? undefined : { kind, id };
}
