/** Long text is shown in part at first, with its whole length told. Pure. */
import type { Piece } from "../../domain/visible.ts";

export interface Extent {
  readonly lines: number;
  readonly characters: number;
}

/** Above this a text is shown in part. */
const WHOLE: Extent = { lines: 16, characters: 1_200 };
/** What is shown of it then. The gap between the two keeps a button from hiding next to nothing. */
const HEAD: Extent = { lines: 10, characters: 800 };

export function extentOf(parts: readonly Piece[]): Extent {
  let [lines, characters] = [1, 0];
  for (const { text } of parts) {
    characters += text.length;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines++;
  }
  return { lines, characters };
}

export function isLong({ lines, characters }: Extent): boolean {
  return lines > WHOLE.lines || characters > WHOLE.characters;
}

/** The first lines of a long text. */
export function head(parts: readonly Piece[], limit: Extent = HEAD): readonly Piece[] {
  const result: Piece[] = [];
  let { lines, characters } = limit;
  for (const piece of parts) {
    if (piece.kind !== "text") {
      if (piece.text.length > characters) break;
      characters -= piece.text.length;
      result.push(piece);
      continue;
    }
    let end = 0;
    while (end < piece.text.length && end < characters) {
      if (piece.text[end] === "\n" && --lines === 0) break;
      end++;
    }
    // Half of a surrogate pair would be shown as a character that is not there.
    if (end < piece.text.length && /[\ud800-\udbff]/.test(piece.text[end - 1] ?? "")) end--;
    if (end > 0) result.push({ kind: "text", text: piece.text.slice(0, end) });
    characters -= end;
    if (end < piece.text.length) break;
  }
  return result;
}
