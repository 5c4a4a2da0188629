/** Colours for terminals: plain text stays plain where they are not wanted. */

const CODES = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const;
export type Colour = keyof typeof CODES;

export function coloured(text: string, colour: Colour, wanted: boolean): string {
  return wanted ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
}
