import { pieces, type Piece } from "../../domain/visible.ts";
import { extentOf, head, isLong, type Extent } from "./clip.ts";
import { html } from "./html.ts";
import type { VNode } from "./vendor/preact.mjs";

type Shown = string | VNode;

/** Words with a hyphen in them: of the parts of a split, every second one. */
const HYPHENATED = /([^\s-]*-[^\s]*)/;

/** A text from outside: every part of it a text node, what is hidden in it a mark. */
export function markedText(parts: readonly Piece[]): readonly Shown[] {
  return parts.flatMap(({ kind, text }): Shown | readonly Shown[] => {
    if (kind === "text") return text.includes("-") ? text.split(HYPHENATED).map(word) : text;
    if (kind === "padding")
      return html`<span class="mark padding" title="Left out: it only moves the rest away">${text}</span>`;
    return text === "\\u{9}"
      ? html`<span class="mark tab" title="tab"><span class="vh">tab</span>⇥ </span>`
      : html`<span class="mark" title="a character that would be hidden or obeyed">${text}</span>`;
  });
}

/** A short text, such as a name. */
export function marked(text: string): readonly Shown[] {
  return markedText(pieces(text));
}

function word(text: string, at: number): Shown {
  return at % 2 === 1 ? html`<span class="word">${text}</span>` : text;
}

/** A text, prepared once for all the times it is drawn. */
export interface Prepared {
  readonly all: readonly Piece[];
  readonly head: readonly Piece[];
  /** The whole text's. */
  readonly extent: Extent;
  readonly isLong: boolean;
}

export function prepare(text: string): Prepared {
  const all = pieces(text);
  const extent = extentOf(all);
  const long = isLong(extent);
  return { all, extent, isLong: long, head: long ? head(all) : all };
}

/** "5,002 lines, 81,300 characters" */
export function extentText({ lines, characters }: Extent): string {
  const [many, size] = [lines.toLocaleString("en"), characters.toLocaleString("en")];
  return lines === 1 ? `${size} characters` : `${many} lines, ${size} characters`;
}
