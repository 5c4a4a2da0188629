/** Columns for terminals. */

// Long cells are cut so that a hostile action cannot push the other columns out of sight.
const WIDEST = 72;

/** The rows as lines with aligned columns. */
export function table(rows: readonly (readonly string[])[]): readonly string[] {
  const cells = rows.map((row) => row.map((cell) => shortened(cell)));
  const widths: number[] = [];
  for (const row of cells) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, lengthOf(cell));
  }
  return cells.map((row) =>
    row
      .map((cell, at) => cell + " ".repeat((widths[at] ?? 0) - lengthOf(cell)))
      .join("  ")
      .trimEnd(),
  );
}

function shortened(cell: string): string {
  const characters = [...cell];
  return characters.length <= WIDEST ? cell : `${characters.slice(0, WIDEST - 1).join("")}…`;
}

function lengthOf(cell: string): number {
  return [...cell].length;
}
