import { Card } from "./card.ts";
import type { Guard } from "./guard.ts";
import { historyView } from "./history-view.ts";
import { html } from "./html.ts";
import type { Link, Model, View } from "./model.ts";
import type { VNode } from "./vendor/preact.mjs";

const LINK_TEXT: Readonly<Record<Link, string>> = {
  connecting: "Connecting…",
  live: "Live",
  lost: "Not connected",
  "signed-out": "Signed out",
};

export function app(model: Model, guard: Guard, changed: () => void): VNode {
  const { link, me, view, announcer } = model;
  return html`<div class="page">
    <a class="skip" href="#main" onClick=${skip}>Skip to the requests</a>
    <header class="top">
      <span class="brand"><span class="seal" aria-hidden="true">✓</span> Countersign</span>
      <nav aria-label="Views">${tab(model, "waiting", "Waiting")} ${tab(model, "history", "History")}</nav>
      <span class="who">
        <span class=${`link ${link}`}>${LINK_TEXT[link]}</span>
        ${me !== "" && html`<span>you decide as <b>${me}</b></span>`}
      </span>
    </header>
    <div class="alerts" role="alert">${banner(model)}</div>
    <main id="main" tabindex="-1">
      ${view === "waiting" ? waitingView(model, guard, changed) : historyView(model, changed)}
    </main>
    <div class="vh" role="status" aria-live="polite">${announcer.text}</div>
  </div>`;
}

function tab(model: Model, view: View, label: string): VNode {
  const { isRead, pending } = model;
  return html`<a href=${`#${view}`} aria-current=${model.view === view ? "page" : undefined}
    >${label}${view === "waiting" && isRead && html` <span class="badge">${pending.total.toLocaleString("en")}</span>`}</a
  >`;
}

function banner({ link }: Model): VNode | false {
  if (link === "lost") {
    return html`<p class="banner">
      The connection to the inbox is lost. What you see may be out of date; it is read again as soon as the inbox
      answers.
    </p>`;
  }
  if (link === "signed-out") {
    return html`<p class="banner">
      Your session is over. Get a new login link with <code>countersign inbox login</code> and open it here.
    </p>`;
  }
  return false;
}

function waitingView(model: Model, guard: Guard, changed: () => void): VNode {
  const { pending, isRead, me } = model;
  return html`<section aria-labelledby="view-title">
    <h1 id="view-title" tabindex="-1">Waiting for a decision</h1>
    ${
      isRead &&
      pending.entries.length === 0 &&
      html`<p class="empty"><b>Nothing waits for you.</b> A new request appears here by itself.</p>`
    }
    <ol class="cards">
      ${pending.entries.map(
        ({ item, gone = false }) =>
          html`<li key=${item.id}>
            <${Card}
              item=${item}
              isGone=${gone}
              isArmed=${guard.isArmed(item.id)}
              me=${me}
              decide=${model.decide}
              changed=${changed}
            />
          </li>`,
      )}
    </ol>
    ${
      pending.next !== undefined &&
      html`<button type="button" class="read-more" onClick=${() => model.readMore()}>
        Show more of the ${pending.total.toLocaleString("en")}
      </button>`
    }
  </section>`;
}

/** The address keeps the view. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}
