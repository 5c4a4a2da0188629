/**
 * Measures the inbox's page in a real browser, with everything on this machine: how long after the click on Approve the agent
 * has its answer, and how soon a thousand waiting requests are on the screen.
 */
import type { Page } from "playwright-core";
import { startBrowser } from "../test/support/browser.ts";
import { startPageInbox, type PageInbox } from "../test/support/inbox-page.ts";
import { startStack, type Stack } from "../test/support/stack.ts";

const ROUNDS = 30;
const WARM_UP = 3;
const LOADS = 7;
const PENDING = 1_000;
const ARMED = '.card .approve[aria-disabled="false"]';

/** Milliseconds from the click, by the page's clock, to the result in the agent's process. */
async function clickToResult(stack: Stack, page: Page): Promise<number> {
  const handle = await stack.approvals.start("benchmark", "");
  const result = handle.result();
  const workflow = stack.temporal.workflow.getHandle(handle.workflowId);
  // A decision that meets the workflow half-way would be measured shorter than it is.
  while ((await workflow.query<{ step: string }>("state")).step !== "waiting");
  // Found and clicked in one frame: a card that leaves the list lets the others settle again.
  const from = await page.evaluate<number>(`new Promise((resolve) => (function look() {
    const approve = document.querySelector('${ARMED}');
    if (approve === null) return requestAnimationFrame(look);
    resolve(performance.timeOrigin + performance.now());
    approve.click();
  })())`);
  await result;
  return performance.timeOrigin + performance.now() - from;
}

/** Milliseconds from the start of the navigation to the first paint, and to the paint of the first cards. */
async function firstPaint(inbox: PageInbox): Promise<readonly [number, number]> {
  const { page, context } = await inbox.open("alice");
  await page.addInitScript(`new MutationObserver((_, observer) => {
    if (document.querySelector(".card") === null) return;
    observer.disconnect();
    // The frame that shows the cards is over when the next one begins.
    requestAnimationFrame(() => requestAnimationFrame(() => { window.cardsAt = performance.now(); }));
  }).observe(document, { childList: true, subtree: true });`);
  await page.reload();
  const times = await page.evaluate<[number, number]>(`new Promise((resolve) => (function look() {
    if (window.cardsAt === undefined) return requestAnimationFrame(look);
    resolve([performance.getEntriesByName("first-contentful-paint")[0].startTime, window.cardsAt]);
  })())`);
  await context.close();
  return times;
}

function percentile(values: readonly number[], share: number): string {
  const value = values.toSorted((a, b) => a - b)[Math.floor(values.length * share)];
  return `${(value ?? Number.NaN).toFixed(0)} ms`;
}

const browser = await startBrowser();
const inbox = await startPageInbox(() => browser);
try {
  const stack = await startStack({
    env: { PLATFORM_URL: inbox.url, PLATFORM_TOKEN: inbox.agentToken, WORKSPACE_ID: inbox.workspaceId },
  });
  const { page, context } = await inbox.open("alice");
  const clicks: number[] = [];
  for (let n = -WARM_UP; n < ROUNDS; n++) {
    const milliseconds = await clickToResult(stack, page);
    if (n >= 0) clicks.push(milliseconds);
  }
  await context.close();
  await stack.stop();
  console.log(
    `click -> agent resumes, ${ROUNDS} rounds: p50 ${percentile(clicks, 0.5)}, p95 ${percentile(clicks, 0.95)} (goal p50 < 150 ms)`,
  );

  await inbox.clear();
  for (let n = 0; n < PENDING; n++) await inbox.ask({ action: `act ${n}`, reason: "benchmark", timeout_seconds: 3600 });
  const paints: (readonly [number, number])[] = [];
  for (let n = 0; n < LOADS; n++) paints.push(await firstPaint(inbox));
  const [first, cards] = [paints.map(([one]) => one), paints.map(([, one]) => one)];
  console.log(
    `${PENDING} waiting, ${LOADS} loads: first paint p50 ${percentile(first, 0.5)}, cards p50 ${percentile(cards, 0.5)}, slowest ${percentile(cards, 0.999)} (goal < 1000 ms)`,
  );
} finally {
  await browser.close();
  await inbox.close();
}
