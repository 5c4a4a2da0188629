/** One request: what will be done first, then who says so and why, and only then the decision. */
import { clockTime, serverNow } from "./clock.ts";
import { contextExtentText, contextTree, isLongContext } from "./context-tree.ts";
import { rowsOf, type Row } from "./context-rows.ts";
import { Countdown } from "./countdown.ts";
import { html } from "./html.ts";
import { timeOf, type Item } from "./item.ts";
import { extentText, marked, markedText, prepare, type Prepared } from "./marked-text.ts";
import type { Model, Sent } from "./model.ts";
import { outcomeOf } from "./outcome.ts";
import { Component, type VNode } from "./vendor/preact.mjs";
import { warningsOf } from "./warnings.ts";

export interface CardProps {
  readonly item: Item;
  readonly isGone: boolean;
  /** The buttons have stood still for long enough. */
  readonly isArmed: boolean;
  readonly me: string;
  readonly decide: Model["decide"];
  /** The card changed by itself, its height included. */
  readonly changed: () => void;
}

interface CardState {
  readonly shown: ReadonlySet<Part>;
  readonly comment: string;
  readonly sending?: "approved" | "denied" | undefined;
  readonly problem?: string | undefined;
}

type Part = "action" | "reason" | "context";

const MAX_COMMENT = 2_000;

export class Card extends Component<CardProps, CardState> {
  override state: CardState = { shown: new Set(), comment: "" };
  private readonly action: Prepared = prepare(this.props.item.action);
  private readonly reason: Prepared = prepare(this.props.item.reason);
  private readonly rows: readonly Row[] = rowsOf(this.props.item.context ?? {});
  private readonly warnings: readonly string[] = warningsOf(allText(this.props.item, this.rows));

  override shouldComponentUpdate(next: CardProps, nextState: CardState): boolean {
    const { item, isGone, isArmed, me } = this.props;
    return (
      nextState !== this.state ||
      next.item !== item ||
      next.isGone !== isGone ||
      next.isArmed !== isArmed ||
      next.me !== me
    );
  }

  override componentDidUpdate(): void {
    this.props.changed();
  }

  private show(part: Part): void {
    this.setState({ shown: new Set([...this.state.shown, part]) });
    // The button is gone; whoever used the keyboard goes on from the text that it showed.
    this.focus(`${this.domId}-${part}`);
  }

  private async send(decision: "approved" | "denied"): Promise<void> {
    // A disabled button would lose the focus, so that the keyboard's user would start again from the top of the page.
    if (this.waitsFor(decision) !== undefined) return;
    this.setState({ sending: decision, problem: undefined });
    const sent = await this.props.decide(this.props.item, decision, this.state.comment.trim());
    this.setState({ sending: undefined, problem: problemOf(sent) });
    if (sent === "taken" || sent === "too-late") this.focus(`${this.domId}-outcome`);
  }

  /** Why a decision cannot be made now; `undefined` where it can. */
  private waitsFor(decision: "approved" | "denied"): string | undefined {
    const { item, isArmed } = this.props;
    if (this.state.sending !== undefined) return "Sending…";
    if (decision === "approved" && serverNow() >= timeOf(item.expires_at)) {
      return "Its time is up. An approval would no longer count.";
    }
    if (decision === "approved" && this.hiddenParts().length > 0) {
      return `To approve, read all of it first: show the whole ${this.hiddenParts().join(" and the whole ")}.`;
    }
    return isArmed ? undefined : "This card has just changed or moved. One moment…";
  }

  private hiddenParts(): readonly Part[] {
    const long: Readonly<Record<Part, boolean>> = {
      action: this.action.isLong,
      reason: this.reason.isLong,
      context: isLongContext(this.rows),
    };
    return (["action", "reason", "context"] as const).filter((part) => long[part] && !this.state.shown.has(part));
  }

  private get domId(): string {
    return cardId(this.props.item.id);
  }

  private focus(id: string): void {
    requestAnimationFrame(() => document.getElementById(id)?.focus());
  }

  override render({ item, isGone, me }: CardProps): VNode {
    const isPending = item.status === "pending" && !isGone;
    return html`<article
      class=${`card ${isPending ? "" : "closed"}`}
      id=${this.domId}
      aria-labelledby=${`${this.domId}-title`}
    >
      <header>
        <h2 id=${`${this.domId}-title`} tabindex="-1"><b>${marked(item.workspace_id)}</b> asks to do this</h2>
        ${isPending ? this.deadline() : this.outcome(isGone, me)}
      </header>
      ${this.text("action", this.action, "The exact action")}
      ${
        this.warnings.length > 0 &&
        html`<ul class="warnings" aria-label="Look closely">
          ${this.warnings.map((warning) => html`<li>${warning}</li>`)}
        </ul>`
      }
      ${
        item.reason !== "" &&
        html`<section class="claim">
          <h3>Reason <span class="aside">claimed by the agent, not checked</span></h3>
          ${this.text("reason", this.reason, "The reason, as the agent claims it")}
        </section>`
      }
      ${this.rows.length > 0 && this.contextPart()}
      ${isPending ? this.form() : item.comment && html`<p class="said"><span class="aside">Comment</span> ${marked(item.comment)}</p>`}
      <footer>
        <span>asked ${clockTime(item.created_at)}</span>
        <span class="id">approval ${marked(item.id)}</span>
        ${item.task_id !== "" && html`<span class="id">task ${marked(item.task_id)}</span>`}
      </footer>
    </article>`;
  }

  private deadline(): VNode {
    const { expires_at } = this.props.item;
    if (expires_at === null) return html`<span class="countdown none">no deadline</span>`;
    return html`<${Countdown} expiresMs=${timeOf(expires_at)} onOver=${() => this.setState({})} />`;
  }

  private outcome(isGone: boolean, me: string): VNode {
    const { tone, text } = isGone
      ? { tone: "closed", text: "Already decided or withdrawn; see the history" }
      : outcomeOf(this.props.item, me);
    return html`<strong class=${`outcome ${tone}`} id=${`${this.domId}-outcome`} tabindex="-1">${text}</strong>`;
  }

  private text(part: "action" | "reason", text: Prepared, label: string): VNode {
    const isWhole = !text.isLong || this.state.shown.has(part);
    // Not a code block of the browser's own: that would scroll sideways, and what is beside the edge is not read.
    return html`<div
      class=${`said-text ${part}`}
      id=${`${this.domId}-${part}`}
      role="group"
      aria-label=${label}
      tabindex=${text.isLong ? "-1" : undefined}
      dir="ltr"
    >
      <p>${markedText(isWhole ? text.all : text.head)}${isWhole ? "" : html`<span class="more">…</span>`}</p>
      ${text.isLong && this.showAll(part, isWhole, extentText(text.extent))}
    </div>`;
  }

  private contextPart(): VNode {
    const isLong = isLongContext(this.rows);
    const isWhole = !isLong || this.state.shown.has("context");
    return html`<section class="context">
      <h3>Context <span class="aside">sent by the agent</span></h3>
      <div id=${`${this.domId}-context`} tabindex=${isLong ? "-1" : undefined} dir="ltr">
        ${contextTree(this.rows, isWhole)} ${isLong && this.showAll("context", isWhole, contextExtentText(this.rows))}
      </div>
    </section>`;
  }

  private showAll(part: Part, isWhole: boolean, extent: string): VNode {
    return isWhole
      ? html`<p class="extent">all of it: ${extent}</p>`
      : html`<button type="button" class="show-all" onClick=${() => this.show(part)}>
          Show the whole ${part} <span class="aside">(${extent})</span>
        </button>`;
  }

  private form(): VNode {
    const { sending, comment, problem } = this.state;
    const [approveWaits, denyWaits] = [this.waitsFor("approved"), this.waitsFor("denied")];
    const id = this.domId;
    // What passes by itself within a second would only flicker.
    const told = this.props.isArmed ? approveWaits : this.hiddenParts().length > 0 ? approveWaits : "";
    return html`<div class="decide" data-decide=${this.props.item.id}>
      <label for=${`${id}-comment`}
        >Comment <span class="aside">optional; the agent gets it with your decision</span></label
      >
      <textarea
        id=${`${id}-comment`}
        rows="1"
        maxlength=${MAX_COMMENT}
        value=${comment}
        onInput=${(event: Event) => this.typed(event)}
      ></textarea>
      <div class="buttons">
        <p class="hint" id=${`${id}-hint`}>${told ?? ""}</p>
        <button
          type="button"
          class="deny"
          aria-disabled=${denyWaits !== undefined}
          aria-describedby=${`${id}-action`}
          onClick=${() => void this.send("denied")}
        >
          ${sending === "denied" ? "Denying…" : "Deny"}
        </button>
        <button
          type="button"
          class="approve"
          aria-disabled=${approveWaits !== undefined}
          aria-describedby=${`${id}-hint ${id}-action`}
          onClick=${() => void this.send("approved")}
        >
          ${sending === "approved" ? "Approving…" : "Approve"}
        </button>
      </div>
      ${problem !== undefined && html`<p class="problem" role="alert">${problem}</p>`}
    </div>`;
  }

  private typed(event: Event): void {
    const field = event.target as HTMLTextAreaElement;
    this.setState({ comment: field.value });
  }
}

/** The id of a card's element. */
export function cardId(approvalId: string): string {
  return `card-${approvalId}`;
}

function allText({ workspace_id, action, reason }: Item, rows: readonly Row[]): string {
  return [workspace_id, action, reason, ...rows.flatMap(({ key, value }) => [key, value ?? ""])].join("\n");
}

function problemOf(sent: Sent): string | undefined {
  if (sent === "no-answer") {
    return "No answer from the inbox: it is not known whether your decision arrived. Press again to be sure; only the first one counts.";
  }
  return typeof sent === "object" ? `Not decided: ${sent.refused}` : undefined;
}
