import { pieces } from "../../domain/visible.ts";
import { head } from "./clip.ts";
import type { Row } from "./context-rows.ts";
import { html } from "./html.ts";
import { marked, markedText } from "./marked-text.ts";
import type { VNode } from "./vendor/preact.mjs";

/** Above this a context is shown in part. */
const WHOLE = { rows: 30, characters: 2_000 } as const;
const HEAD = { rows: 15, characters: 1_000 } as const;
const DEEPEST_STEP = 12;

export function isLongContext(rows: readonly Row[]): boolean {
  return rows.length > WHOLE.rows || charactersOf(rows) > WHOLE.characters;
}

/** "312 entries, 60,000 characters" */
export function contextExtentText(rows: readonly Row[]): string {
  return `${rows.length.toLocaleString("en")} entries, ${charactersOf(rows).toLocaleString("en")} characters`;
}

export function contextTree(rows: readonly Row[], isWhole: boolean): VNode {
  const shown: VNode[] = [];
  let room: number = isWhole ? Infinity : HEAD.characters;
  for (const row of isWhole ? rows : rows.slice(0, HEAD.rows)) {
    if (room <= 0) break;
    shown.push(treeRow(row, room));
    room -= charactersOf([row]);
  }
  return html`<ul class="tree">
    ${shown}
  </ul>`;
}

function treeRow({ depth, path, key, value, isText, size }: Row, room: number): VNode {
  const parts = pieces(value ?? "");
  const cut = (value ?? "").length > room;
  return html`<li class=${`step-${Math.min(depth, DEEPEST_STEP)}`}>
    ${depth > 0 ? html`<span class="vh">in ${marked(path.join(", "))}: </span>` : ""}
    ${depth > DEEPEST_STEP ? html`<span class="level">level ${depth + 1}</span> ` : ""}
    <span class="key">${marked(key)}</span>
    ${
      value === undefined
        ? html`<span class="size">${size}</span>`
        : html`<span class=${isText ? "value text" : "value"}
            >${value === "" ? html`<span class="mark">empty</span>` : markedText(cut ? head(parts, { lines: 10, characters: room }) : parts)}${cut ? "…" : ""}</span
          >`
    }
  </li>`;
}

function charactersOf(rows: readonly Row[]): number {
  return rows.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0);
}
