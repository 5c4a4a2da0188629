/** Starts the page. Everything that reaches it from outside is text, and stays text. */
import { app } from "./app.ts";
import { cardId } from "./card.ts";
import { createGuard } from "./guard.ts";
import { startModel } from "./model.ts";
import { render } from "./vendor/preact.mjs";

const root = document.getElementById("app") as HTMLElement;
/** A page in the background is not painted, but its title is seen. */
const BACKGROUND_MS = 250;
const IN_USE = ":hover, :has(:focus-visible)";

let isPlanned = false;
const guard = createGuard(plan);
const model = startModel(plan, (id) => document.getElementById(cardId(id))?.matches(IN_USE) === true);

function plan(): void {
  if (isPlanned) return;
  isPlanned = true;
  if (document.hidden) setTimeout(draw, BACKGROUND_MS);
  else requestAnimationFrame(draw);
}

function draw(): void {
  isPlanned = false;
  const { view, isRead, pending } = model;
  document.title = isRead && pending.total > 0 ? `(${pending.total}) Countersign` : "Countersign";
  render(app(model, guard, plan), root);
  // Before the browser paints: no one can see a button in its new place while it still acts for the old one.
  if (view === "waiting" && guard.measure(root)) render(app(model, guard, plan), root);
}

function showView(): void {
  model.show(location.hash === "#history" ? "history" : "waiting");
}

addEventListener("hashchange", () => {
  showView();
  requestAnimationFrame(() => requestAnimationFrame(() => document.getElementById("view-title")?.focus()));
});
addEventListener("resize", plan);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) guard.disarmAll();
});
showView();
