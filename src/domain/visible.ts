/** What is hidden in a text, made visible. Pure and without imports, because the inbox's page runs it in the browser too. */

// By Unicode property and not by list: lists of such characters have been bypassed by the next one not listed.
export const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]/gu;
// Also the spaces that are not the common one, and the Braille blank, which no property tells from a letter.
const MARKED = /[\p{Cc}\p{Cf}\p{Cs}\p{Z}\u2800\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]/u;
const LONG_SPACE = /[\t\p{Zs}\u2800]{21,}/u;
const BLANK_LINE = /^[\s\u2800]*$/u;
const MAX_BLANK_LINES = 3;

/** A part of a text as it is shown: the text itself, or a mark that stands for something that would not be seen. */
export type Piece =
  | { readonly kind: "text"; readonly text: string }
  /** A hidden or control character; `text` is its `\u{..}`. */
  | { readonly kind: "character"; readonly text: string }
  /** A run of over 20 spaces or over 3 blank lines, which would push the rest out of view; `text` tells how many. */
  | { readonly kind: "padding"; readonly text: string };

/**
 * The text with every character that a terminal would obey or hide written as `\u{..}`: control (line ends and tabs too),
 * bidirectional, zero-width and default-ignorable characters, line separators, lone surrogates. The result is one line.
 */
export function visible(text: string): string {
  return text.replace(HIDDEN, escaped);
}

/**
 * The text in parts, for a reader who sees line ends as line ends. Marks are all that `visible` writes out, except line ends,
 * every space but the common one, runs of over 20 spaces and of over 3 blank lines. Joined without its marks, nothing is hidden in it.
 */
export function pieces(text: string): readonly Piece[] {
  const result: Piece[] = [];
  const add = (kind: Piece["kind"], text: string): void => {
    const last = result.at(-1);
    if (kind === "text" && last?.kind === "text") result[result.length - 1] = { kind, text: last.text + text };
    else if (text !== "") result.push({ kind, text });
  };
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at++) {
    if (at > 0) add("text", "\n");
    const blank = blankLinesFrom(lines, at);
    if (blank > MAX_BLANK_LINES) {
      add("padding", `${blank} blank lines`);
      at += blank - 1;
    } else addLine(lines[at] as string, add);
  }
  return result;
}

/** As `visible`, with runs of spaces and of blank lines as marks too: for a terminal on which a person decides. */
export function marked(text: string): string {
  return pieces(text)
    .map((piece) => (piece.kind === "padding" ? `‹${piece.text}›` : visible(piece.text)))
    .join("");
}

function blankLinesFrom(lines: readonly string[], start: number): number {
  let end = start;
  while (end < lines.length && BLANK_LINE.test(lines[end] as string)) end++;
  return end - start;
}

function addLine(line: string, add: (kind: Piece["kind"], text: string) => void): void {
  let rest = line;
  for (;;) {
    const run = LONG_SPACE.exec(rest);
    for (const character of run === null ? rest : rest.slice(0, run.index)) {
      const hidden = character !== " " && MARKED.test(character);
      add(hidden ? "character" : "text", hidden ? escaped(character) : character);
    }
    if (run === null) return;
    add("padding", `${run[0].length} spaces`);
    rest = rest.slice(run.index + run[0].length);
  }
}

function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
