/** What a reader may not notice in a text, in words. Pure. */
import { pieces } from "../../domain/visible.ts";

/** Scripts with letters that look like Latin ones. */
const LOOKALIKE = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Coptic}]/u;
const LATIN = /\p{Script=Latin}/u;
const RIGHT_TO_LEFT =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;
const WORD = /[\p{L}\p{M}\p{N}_.-]+/gu;
const PUNYCODE = /\bxn--[a-z0-9-]+/i;
/** Letters with more accents than any language stacks overflow into the lines around them. */
const STACKED = /\p{M}{5,}/u;

/** Sentences, none for a text without surprises. */
export function warningsOf(text: string): readonly string[] {
  const shown = pieces(text);
  const hidden = shown.filter(({ kind, text }) => kind === "character" && text !== "\\u{9}").length;
  const padded = shown.filter(({ kind }) => kind === "padding").length;
  const mixed = text.match(WORD)?.find((word) => LATIN.test(word) && LOOKALIKE.test(word));
  const punycode = PUNYCODE.exec(text)?.[0];
  return [
    ...(hidden > 0
      ? [`${count(hidden, "hidden or control character")} in it; each is shown as a mark like \\u{200b}.`]
      : []),
    ...(padded > 0 ? ["Long runs of spaces or blank lines in it; they are shown as a mark with their length."] : []),
    ...(mixed === undefined
      ? []
      : [`“${short(mixed)}” mixes letters that look alike; not Latin in it: ${foreign(mixed)}.`]),
    ...(punycode === undefined
      ? []
      : [`“${short(punycode)}” is an encoded name; it may look like another one elsewhere.`]),
    ...(RIGHT_TO_LEFT.test(text)
      ? ["Right-to-left letters in it; the order on the screen may not be the order in which it counts."]
      : []),
    ...(STACKED.test(text) ? ["Letters with many accents in it, which can cover other text."] : []),
  ];
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

function foreign(word: string): string {
  const letters = [...new Set(word)].filter((letter) => LOOKALIKE.test(letter)).slice(0, 8);
  return letters.map((letter) => `${letter} (U+${hex(letter).padStart(4, "0")})`).join(", ");
}

function hex(letter: string): string {
  return (letter.codePointAt(0) ?? 0).toString(16).toUpperCase();
}

function short(word: string): string {
  const characters = [...word];
  return characters.length <= 40 ? word : `${characters.slice(0, 40).join("")}…`;
}
