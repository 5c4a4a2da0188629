/** What a screen reader is told. Several things in one moment become one sentence. */
export interface Announcer {
  readonly text: string;
  say(text: string, kind?: string): void;
}

const GATHER_MS = 600;
const MOST = 2;

/** `kind` names what is counted when there is too much to read out: "new requests". */
export function createAnnouncer(changed: () => void): Announcer {
  let text = "";
  let gathered: { readonly text: string; readonly kind: string }[] = [];
  const tell = (): void => {
    const counts = new Map<string, number>();
    for (const { kind } of gathered) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    text =
      gathered.length <= MOST
        ? gathered.map(({ text }) => text).join(". ")
        : [...counts].map(([kind, count]) => `${count} ${kind}`).join(", ");
    gathered = [];
    changed();
  };
  return {
    get text() {
      return text;
    },
    say(next, kind = "messages") {
      if (gathered.length === 0) setTimeout(tell, GATHER_MS);
      gathered.push({ text: next, kind });
    },
  };
}
