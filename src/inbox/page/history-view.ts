import { clockTime } from "./clock.ts";
import { Card } from "./card.ts";
import { html } from "./html.ts";
import type { Item } from "./item.ts";
import { marked } from "./marked-text.ts";
import type { Model } from "./model.ts";
import { outcomeOf } from "./outcome.ts";
import type { VNode } from "./vendor/preact.mjs";

const LINE = 140;
const opened = new Set<string>();

export function historyView(model: Model, changed: () => void): VNode {
  const { history } = model;
  return html`<section aria-labelledby="view-title">
    <h1 id="view-title" tabindex="-1">History</h1>
    <div class="search" role="search">
      <label for="search">Search</label>
      <input
        id="search"
        type="search"
        maxlength="200"
        autocomplete="off"
        spellcheck=${false}
        placeholder="action, reason, person or workspace"
        value=${history.query}
        onInput=${(event: Event) => history.search((event.target as HTMLInputElement).value)}
      />
    </div>
    <p class="count" role="status">${countText(model)}</p>
    <ul class="past">
      ${history.items.map((item) => pastItem(item, model, changed))}
    </ul>
    ${history.hasMore && html`<button type="button" class="read-more" onClick=${() => history.readMore()}>Show older ones</button>`}
  </section>`;
}

function pastItem(item: Item, model: Model, changed: () => void): VNode {
  const { tone, text } = outcomeOf(item, model.me);
  const toggled = (event: Event): void => {
    if ((event.target as HTMLDetailsElement).open) opened.add(item.id);
    else opened.delete(item.id);
    changed();
  };
  return html`<li key=${item.id}>
    <details open=${opened.has(item.id)} onToggle=${toggled}>
      <summary>
        <strong class=${`outcome ${tone}`}>${tone === "closed" ? text.split(":")[0] : text}</strong>
        <span class="line">${marked(firstLine(item.action))}</span>
        <span class="facts">${marked(item.workspace_id)} · ${clockTime(item.decided_at)}</span>
      </summary>
      ${opened.has(item.id) && html`<${Card} item=${item} isGone=${false} isArmed=${false} me=${model.me} decide=${model.decide} changed=${changed} />`}
    </details>
  </li>`;
}

/** Cut by code points, and told to be cut; the whole is one click away. */
function firstLine(action: string): string {
  const line = action.trimStart().split("\n", 1)[0] ?? "";
  const characters = Array.from(line.slice(0, 2 * LINE));
  const cut = characters.slice(0, LINE).join("");
  return cut.length < action.length ? `${cut}…` : cut;
}

function countText({ history: { state, total, query } }: Model): string {
  if (state === "failed") return "The history cannot be read just now.";
  if (state !== "read" && total === 0) return "Reading…";
  const many = `${total.toLocaleString("en")} ${total === 1 ? "decision" : "decisions"}`;
  return query === "" ? many : `${many} with “${query}”`;
}
