import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, describe, it, type TestContext } from "node:test";
import * as fc from "fast-check";
import type { Browser, Locator, Page } from "playwright-core";
import { pieces } from "../src/domain/visible.ts";
import { extentOf, head } from "../src/inbox/page/clip.ts";
import { remaining } from "../src/inbox/page/clock.ts";
import { rowsOf } from "../src/inbox/page/context-rows.ts";
import { byDeadline, type Item } from "../src/inbox/page/item.ts";
import { outcomeOf } from "../src/inbox/page/outcome.ts";
import { createPending } from "../src/inbox/page/pending.ts";
import { warningsOf } from "../src/inbox/page/warnings.ts";
import { skipWithoutBrowser, startBrowser, visit } from "./support/browser.ts";
import { startPageInbox, type PageInbox } from "./support/inbox-page.ts";
import { startStack } from "./support/stack.ts";
import { PAYLOADS } from "./support/stored-payloads.ts";
import { until } from "./support/until.ts";

const ITEM: Item = {
  id: "1",
  workspace_id: "demo",
  task_id: "",
  action: "drop db",
  reason: "",
  context: null,
  status: "pending",
  decided_by: null,
  decided_at: null,
  comment: null,
  created_at: "2026-11-22T10:00:00.000000Z",
  expires_at: null,
};

describe("text from outside", () => {
  const shown = (text: string) => pieces(text).map(({ kind, text }) => (kind === "text" ? text : `[${text}]`));

  for (const [what, text, expected] of [
    ["plain text as it is", "rm -rf /tmp/x\n日本語 🙂", ["rm -rf /tmp/x\n日本語 🙂"]],
    ["bidirectional and zero-width characters", "a\u202eb\u200bc", ["a", "[\\u{202e}]", "b", "[\\u{200b}]", "c"]],
    [
      "terminal escapes, C1 forms and carriage returns",
      "\u001b[2K\u009b\r",
      ["[\\u{1b}]", "[2K", "[\\u{9b}]", "[\\u{d}]"],
    ],
    ["tags, variation selectors and fillers", "\u{e0041}\ufe0f\u3164", ["[\\u{e0041}]", "[\\u{fe0f}]", "[\\u{3164}]"]],
    [
      "spaces that are not the common one",
      "a\u00a0b\u3000\u2800",
      ["a", "[\\u{a0}]", "b", "[\\u{3000}]", "[\\u{2800}]"],
    ],
    ["line separators and lone surrogates", "\u2028\u2029\ud800", ["[\\u{2028}]", "[\\u{2029}]", "[\\u{d800}]"]],
    ["20 spaces as they are", `a${" ".repeat(20)}b`, [`a${" ".repeat(20)}b`]],
    ["21 spaces as their number", `a${" ".repeat(21)}b`, ["a", "[21 spaces]", "b"]],
    ["a long mix of spaces and tabs as their number", `a${" \t\u00a0".repeat(10)}b`, ["a", "[30 spaces]", "b"]],
    ["3 blank lines as they are", "a\n\n\n\nb", ["a\n\n\n\nb"]],
    ["5,000 blank lines as their number", `a\n${"\n".repeat(5000)}b`, ["a\n", "[5000 blank lines]", "\nb"]],
    ["blank lines with spaces in them as blank", `a\n${" \u3000\n".repeat(9)}b`, ["a\n", "[9 blank lines]", "\nb"]],
  ] as const) {
    it(`shows ${what}`, () => assert.deepEqual(shown(text), expected));
  }

  it("shows no hidden character of Unicode as itself, whatever stands around it", () => {
    const hidden =
      /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/u;
    for (let code = 0; code <= 0x10ffff; code++) {
      const character = String.fromCodePoint(code);
      if (!hidden.test(character)) continue;
      const [, mark] = pieces(`a${character}b`);
      assert.deepEqual(mark, { kind: "character", text: `\\u{${code.toString(16)}}` });
    }
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        for (const { kind, text: part } of pieces(text)) if (kind === "text") assert.doesNotMatch(part, hidden);
      }),
    );
  });

  it("is cut by lines and characters, never inside a character", () => {
    const text = `${"🙂".repeat(30)}\n`.repeat(40);
    const cut = head(pieces(text), { lines: 3, characters: 101 });
    assert.deepEqual(cut, [{ kind: "text", text: `${"🙂".repeat(30)}\n${"🙂".repeat(20)}` }]);
    assert.deepEqual(extentOf(pieces(text)), { lines: 41, characters: 40 * 61 });
    assert.deepEqual(head(pieces("a\nb\nc\nd"), { lines: 2, characters: 99 }), [{ kind: "text", text: "a\nb" }]);
  });

  for (const [what, text, expected] of [
    ["nothing about plain text", "SELECT 1; -- naïve 日本語 Привет", /^$/],
    ["hidden characters and their number", "a\u200bb\u202e", /^2 hidden or control characters/],
    ["padding", `a${" ".repeat(99)}b`, /^Long runs of spaces/],
    ["a word that mixes lookalike letters", "curl p\u0430ypal.com", /^“p\u0430ypal\.com” mixes .*\u0430 \(U\+0430\)/],
    ["an encoded name", "curl https://xn--pple-43d.com", /^“xn--pple-43d”/],
    ["right-to-left letters", "rm \u05d0\u05d1", /^Right-to-left/],
    ["stacked accents", `a${"\u0301".repeat(9)}`, /^Letters with many accents/],
  ] as const) {
    it(`warns of ${what}`, () => assert.match(warningsOf(text).join(" "), expected));
  }

  it("becomes rows of a tree, in order, at any depth", () => {
    const rows = rowsOf({ a: 1, b: { c: ["x", {}], "": null }, d: [] });
    assert.deepEqual(
      rows.map(({ depth, key, value, size }) => [depth, key, value ?? size]),
      [
        [0, "a", "1"],
        [0, "b", "2 fields"],
        [1, "c", "2 items"],
        [2, "1", "x"],
        [2, "2", "{}"],
        [1, "", "null"],
        [0, "d", "[]"],
      ],
    );
    const deep = rowsOf(JSON.parse(`${'{"a":'.repeat(30_000)}1${"}".repeat(30_000)}`) as { a: unknown });
    assert.equal(deep.at(-1)?.depth, 29_999);
  });
});

describe("the page's list", () => {
  const item = (id: string, expiresAt: string | null = null, createdAt = "2026-01-01"): Item => ({
    ...ITEM,
    id,
    expires_at: expiresAt,
    created_at: createdAt,
  });
  const ids = (pending: ReturnType<typeof createPending>) =>
    pending.entries.map(({ item: { id, status }, gone }) => `${id} ${gone ? "gone" : status}`);

  it("has the oldest deadline first, and those without one last, the older first", () => {
    const items = [
      item("none", null, "2026-01-02"),
      item("old none"),
      item("late", "2026-03-01"),
      item("soon", "2026-02-01"),
    ];
    assert.deepEqual(
      items.toSorted(byDeadline).map(({ id }) => id),
      ["soon", "late", "old none", "none"],
    );
  });

  it("takes a new request in its place, and only counts one that lies beyond what was read", () => {
    const pending = createPending();
    pending.replace([item("a", "2026-02-01"), item("c", "2026-02-03")], 9, "cursor");
    assert.equal(pending.add(item("b", "2026-02-02")), true);
    assert.equal(pending.add(item("d", "2026-02-04")), false);
    assert.deepEqual(ids(pending), ["a pending", "b pending", "c pending"]);
    assert.equal(pending.total, 11);
  });

  it("keeps a decided request, and counts it once", () => {
    const pending = createPending();
    pending.replace([item("a"), item("b")], 2, undefined);
    for (let n = 0; n < 2; n++) pending.settle("a", { status: "denied", decided_by: "bob" });
    assert.deepEqual(ids(pending), ["a denied", "b pending"]);
    assert.equal(pending.total, 1);
  });

  it("says of what is missing after a new reading that it is gone, and keeps the newer news of a decision", () => {
    const pending = createPending();
    pending.replace([item("a"), item("b"), item("c")], 3, undefined);
    pending.settle("b", { status: "approved" });
    pending.replace([item("b"), item("c")], 2, undefined);
    assert.deepEqual(ids(pending), ["a gone", "b approved", "c pending"]);
  });

  it("does not take what lies beyond the part that was read again for gone", () => {
    const pending = createPending();
    pending.replace([item("a", "2026-02-01"), item("b", "2026-02-02")], 2, undefined);
    pending.replace([item("a", "2026-02-01")], 2, "cursor");
    assert.deepEqual(ids(pending), ["a pending"]);
  });

  for (const [by, status, text] of [
    ["alice", "approved", "Approved by you"],
    ["bob", "denied", "Denied by bob"],
    ["b\u202eob", "denied", "Denied by b\\u{202e}ob"],
    ["auto-expired", "denied", "Expired: nobody decided in time"],
    ["countersign:timed_out", "denied", "Timed out: nobody decided in time"],
    ["countersign:cancelled", "denied", "Withdrawn by the agent"],
    ["countersign:new", "denied", "Withdrawn (countersign:new)"],
    ["countersign:cancelled", "approved", "Approved by countersign:cancelled"],
    ["constructor", "denied", "Denied by constructor"],
  ] as const) {
    it(`says "${text}"`, () => assert.equal(outcomeOf({ ...ITEM, status, decided_by: by }, "alice").text, text));
  }

  it("tells the time that is left", () => {
    const texts = [-5, 0, 400, 61_000, 3_599_000, 3_600_000, 90_000_000].map(remaining);
    assert.deepEqual(texts, ["0:00", "0:00", "0:01", "1:01", "59:59", "1 h 00 min", "1 d 1 h"]);
  });
});

it("says so where there is no browser, and skips nothing in CI", () => {
  const told: string[] = [];
  const skip = (env: NodeJS.ProcessEnv) => skipWithoutBrowser(env, (line) => told.push(line) > 0);
  assert.equal(skip({ PATH: "", CHROMIUM_PATH: "/opt/chromium" }), false);
  assert.equal(skip({ PATH: "", CI: "true" }), false);
  assert.deepEqual(told, []);
  assert.match(skip({ PATH: "" }) || "", /install chromium or set CHROMIUM_PATH/);
  assert.match(told.join(""), /^the page of the inbox is not tested/);
});

describe("the page in a browser", { skip: skipWithoutBrowser() }, () => {
  let browser: Browser;
  let inbox: PageInbox;
  before(async () => {
    // One after the other: where there is no browser nothing else must be left open.
    browser = await startBrowser();
    inbox = await startPageInbox(() => browser);
  });
  after(async () => {
    await browser?.close();
    await inbox?.close();
  });
  beforeEach(() => inbox.clear());

  /** The page of a person, closed after the test; whatever goes wrong in it fails the test. */
  const open = async (t: TestContext, ...[person, options]: Parameters<PageInbox["open"]>): Promise<Page> => {
    const { page, context, problems } = await inbox.open(person, options);
    t.after(async () => {
      await context.close();
      assert.deepEqual(problems, []);
    });
    await page.getByText("Live", { exact: true }).waitFor();
    return page;
  };
  const card = (page: Page, text: string): Locator => page.getByRole("article").filter({ hasText: text });
  const button = (within: Locator, name: "Approve" | "Deny"): Locator =>
    within.getByRole("button", { name, exact: true });

  it("gives the agent its answer by a click on a card that appeared by itself", async (t) => {
    const { url, workspaceId, agentToken } = inbox;
    const stack = await startStack({
      env: { PLATFORM_URL: url, PLATFORM_TOKEN: agentToken, WORKSPACE_ID: workspaceId },
    });
    t.after(() => stack.stop());
    const page = await open(t, "alice");
    await page.getByText("Nothing waits for you").waitFor();
    const asked = stack.approvals.request("DROP DATABASE staging", "it is stale", {
      context: { tables: ["orders"] },
      timeoutSeconds: 25,
    });
    const own = card(page, "DROP DATABASE staging");
    await own.getByText("it is stale").waitFor();
    assert.match((await own.textContent()) ?? "", /claimed by the agent.*tables.*orders/);
    assert.match((await own.locator("time").textContent()) ?? "", /^0:\d\d left$/);
    await own.getByLabel("Comment").fill("only this once");
    await button(own, "Approve").click();
    await own.getByText("Approved by you").waitFor();
    const result = await asked;
    assert.equal(result.status, "approved");
    assert.equal("decided_by" in result && result.decided_by, "alice");
    assert.equal("comment" in result && result.comment, "only this once");
  });

  it("tells that the connection is lost, and on return reads what it missed", async (t) => {
    const gone = await inbox.ask({ action: "decided meanwhile" });
    await inbox.ask({ action: "still waiting" });
    const page = await open(t, "alice");
    await card(page, "still waiting").getByLabel("Comment").fill("half a sentence");
    await inbox.stop();
    await page.getByRole("alert").getByText("The connection to the inbox is lost").waitFor();
    await button(card(page, "still waiting"), "Approve").click();
    await card(page, "still waiting").getByText("No answer from the inbox").waitFor();
    await inbox.start();
    await inbox.decide("bob", gone, "denied");
    await inbox.ask({ action: "asked meanwhile" });
    await card(page, "asked meanwhile").waitFor();
    await page.getByText("Live", { exact: true }).waitFor();
    await card(page, "decided meanwhile")
      .getByText(/Already decided|Denied by bob/)
      .waitFor();
    assert.equal(await card(page, "still waiting").getByLabel("Comment").inputValue(), "half a sentence");
    assert.equal(await page.getByText("The connection to the inbox is lost").count(), 0);
  });

  it("shows in one browser at once what was decided in another", async (t) => {
    await inbox.ask({ action: "deploy v2" });
    const [alice, bob] = [await open(t, "alice"), await open(t, "bob")];
    await button(card(alice, "deploy v2"), "Deny").click();
    await card(bob, "deploy v2").getByText("Denied by alice").waitFor();
    assert.equal(await button(card(bob, "deploy v2"), "Approve").count(), 0);
    await bob.getByRole("status").getByText("Denied by alice: deploy v2").waitFor({ state: "attached" });
    assert.equal(await bob.title(), "Countersign");
  });

  it("lets a decided card leave the list", async (t) => {
    await inbox.ask({ action: "short-lived" });
    const page = await open(t, "alice");
    await button(card(page, "short-lived"), "Deny").click();
    await page.mouse.move(0, 0);
    await page.getByText("Nothing waits for you").waitFor({ timeout: 20_000 });
  });

  it("shows markup, scripts and addresses in any field as text, and asks nobody for anything", async (t) => {
    for (const payload of PAYLOADS) {
      await inbox.ask({ action: payload, reason: payload, context: { [payload]: payload, list: [payload] } });
    }
    const page = await open(t, "alice");
    await page
      .getByRole("article")
      .nth(PAYLOADS.length - 1)
      .waitFor();
    const texts = async (selector: string) => (await page.locator(selector).allTextContents()).toSorted();
    const sorted = PAYLOADS.toSorted();
    assert.deepEqual(await texts(".action p"), sorted);
    assert.deepEqual(await texts(".reason p"), sorted);
    assert.deepEqual(await texts(".tree .step-0 .value"), sorted);
    assert.deepEqual(await texts(".tree .step-1 .value"), sorted);
    assert.equal(
      await page.locator("script, img, svg, iframe, form, style, a[href^=javascript]").count(),
      1,
      "the page's own script",
    );
  });

  it("shows hidden characters as marks, warns of them, and says them to a screen reader too", async (t) => {
    await inbox.ask({
      action: `ls \u202e\u200b\u001b[8m${" ".repeat(400)}; rm -rf p\u0430th\n\n\n\n\n\nend`,
      reason: "x",
    });
    const page = await open(t, "alice");
    assert.deepEqual(await page.locator(".action .mark").allTextContents(), [
      "\\u{202e}",
      "\\u{200b}",
      "\\u{1b}",
      "400 spaces",
      "5 blank lines",
    ]);
    const warnings = await page.getByRole("list", { name: "Look closely" }).getByRole("listitem").allTextContents();
    assert.equal(warnings.length, 3, warnings.join("\n"));
  });

  it("does not let a long text be approved before all of it was shown", async (t) => {
    const lines = Array.from({ length: 60 }, (_, n) => `kubectl delete pod web-${n}`);
    const id = await inbox.ask({ action: lines.join("\n"), context: { hosts: lines } });
    const page = await open(t, "alice");
    const own = page.getByRole("article");
    await button(own, "Deny").and(page.locator("[aria-disabled=false]")).waitFor();
    assert.equal(await button(own, "Approve").isDisabled(), true);
    await button(own, "Approve").click({ force: true });
    await own.getByRole("button", { name: /Show the whole action \(60 lines, [\d,]+ characters\)/ }).click();
    await own.getByText("pod web-59").first().waitFor();
    assert.equal(await button(own, "Approve").isDisabled(), true, "the context is still shown in part");
    await own.getByRole("button", { name: /Show the whole context/ }).click();
    assert.equal((await inbox.read(id)).status, "pending");
    await button(own, "Approve").click();
    await own.getByText("Approved by you").waitFor();
    assert.equal((await inbox.read(id)).status, "approved");
  });

  it("takes no click for 800 ms after a card came under the pointer", async (t) => {
    const later = await inbox.ask({ action: "the later one", timeout_seconds: 900 });
    const page = await open(t, "alice");
    const spot = await button(card(page, "the later one"), "Approve").boundingBox();
    assert.ok(spot !== null);
    const at = [spot.x + spot.width / 2, spot.y + spot.height / 2] as const;
    await page.mouse.move(...at);
    // The clock starts in the page, at the moment when the new card is there.
    await page.evaluate(`(function look() {
      const first = document.querySelector(".card");
      if (first?.textContent.includes("the sooner one")) {
        window.appeared ??= performance.now();
        if (first.querySelector(".approve")?.getAttribute("aria-disabled") === "false") window.armed ??= performance.now();
      }
      if (window.armed === undefined) requestAnimationFrame(look);
    })()`);
    const sooner = await inbox.ask({ action: "the sooner one", timeout_seconds: 60 });
    await card(page, "the sooner one").waitFor();
    await page.mouse.click(...at);
    await button(card(page, "the sooner one"), "Approve").and(page.locator("[aria-disabled=false]")).waitFor();
    assert.equal((await inbox.read(sooner)).status, "pending");
    assert.equal((await inbox.read(later)).status, "pending");
    const waited = await page.evaluate<number>("window.armed - window.appeared");
    // A frame more or less is how finely the page can be watched.
    assert.ok(waited >= 780, `${waited} ms`);
    await page.mouse.click(...at);
    await card(page, "the sooner one").getByText("Approved by you").waitFor();
  });

  it("can be used by keyboard alone, and never has Approve in focus by itself", async (t) => {
    const id = await inbox.ask({ action: "restart web" });
    const page = await open(t, "alice");
    await button(page.getByRole("article"), "Approve").and(page.locator("[aria-disabled=false]")).waitFor();
    const focused = () => page.evaluate<string>("document.activeElement.textContent.trim()");
    assert.equal(await page.evaluate<boolean>("document.activeElement === document.body"), true);
    await page.keyboard.press("Enter");
    const stops: string[] = [];
    for (let n = 0; n < 20 && stops.at(-1) !== "Deny"; n++) {
      await page.keyboard.press("Tab");
      stops.push(await focused());
      if (await page.evaluate<boolean>("document.activeElement.tagName === 'TEXTAREA'"))
        await page.keyboard.type("not today");
    }
    assert.deepEqual(
      stops.map((stop) => stop.replace(/\s/g, "")),
      ["Skiptotherequests", "Waiting1", "History", "", "Deny"],
    );
    await page.keyboard.press("Enter");
    await page.getByRole("article").getByText("Denied by you").waitFor();
    await until("the outcome has the focus", async () => (await focused()) === "Denied by you");
    assert.deepEqual((({ status, decided_by, comment }) => ({ status, decided_by, comment }))(await inbox.read(id)), {
      status: "denied",
      decided_by: "alice",
      comment: "not today",
    });
  });

  it("fits a phone, with buttons for a finger", async (t) => {
    await inbox.ask({
      action: `curl https://example.com/${"a".repeat(300)}`,
      reason: "r",
      context: { a: { b: { c: "d".repeat(200) } } },
    });
    const page = await open(t, "alice", { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
    const own = page.getByRole("article");
    await button(own, "Approve").and(page.locator("[aria-disabled=false]")).waitFor();
    assert.equal(await page.evaluate<number>("document.documentElement.scrollWidth"), 360);
    for (const name of ["Approve", "Deny"] as const) {
      const box = await button(own, name).boundingBox();
      assert.ok(box !== null && box.height >= 44 && box.width >= 120, JSON.stringify(box));
    }
    await button(own, "Approve").tap();
    await own.getByText("Approved by you").waitFor();
  });

  it("does not let a request be approved when its time is up, by the inbox's clock", async (t) => {
    await inbox.ask({ action: "too late", timeout_seconds: 2 });
    const page = await open(t, "alice");
    await card(page, "too late").getByText("time is up", { exact: true }).waitFor();
    // The first moment of a card has no buttons that work, so Deny is waited for.
    await button(card(page, "too late"), "Deny").and(page.locator("[aria-disabled=false]")).waitFor();
    assert.equal(await button(card(page, "too late"), "Approve").isDisabled(), true);
  });

  it("searches the history", async (t) => {
    const [one, other] = [
      await inbox.ask({ action: "deploy web" }),
      await inbox.ask({ action: "drop db", reason: "old" }),
    ];
    await inbox.decide("bob", one, "approved", "go");
    await inbox.decide("alice", other, "denied");
    const page = await open(t, "alice");
    await page.getByRole("link", { name: "History" }).click();
    await page.getByText("2 decisions").waitFor();
    await page.getByLabel("Search").fill("DROP");
    await page.getByText("1 decision with “DROP”").waitFor();
    assert.equal(await page.getByText("deploy web").count(), 0);
    await page.getByText("drop db").click();
    await page.getByRole("article").getByText("Denied by you").waitFor();
    assert.match((await page.getByRole("article").textContent()) ?? "", /old/);
  });

  it("shows many requests page by page, and counts them all", async (t) => {
    for (let n = 0; n < 130; n++) await inbox.ask({ action: `act ${n}` });
    const page = await open(t, "alice");
    await page.getByRole("article").nth(49).waitFor();
    assert.equal(await page.getByRole("article").count(), 50);
    assert.equal(await page.title(), "(130) Countersign");
    await page.getByRole("button", { name: "Show more of the 130" }).click();
    await page.getByRole("article").nth(99).waitFor();
    assert.equal(await page.getByRole("article").count(), 100);
  });

  it("keeps a page of another origin from reading an event and from deciding, cookie or not", async (t) => {
    const id = await inbox.ask({ action: "secret of the workspace" });
    const own = await open(t, "alice");
    // The same site by the cookie's rules, which do not know ports, and another origin.
    const foreign = createServer((_request, response) => {
      response.setHeader("content-type", "text/html");
      response.end(
        `<form method="post" enctype="text/plain" action="${inbox.url}/workspaces/${inbox.workspaceId}/approvals/${id}/decide"><input name='{"decision":"approved","x":"' value='"}'></form>`,
      );
    });
    await new Promise<void>((resolve) => foreign.listen(0, "127.0.0.1", resolve));
    t.after(() => void foreign.close());
    const page = await own.context().newPage();
    await page.goto(`http://127.0.0.1:${(foreign.address() as AddressInfo).port}`);
    const heard = await page.evaluate(
      async ({ url, path }) => {
        const socket = new WebSocket(`${url.replace("http", "ws")}/ws`);
        const socketEnd = await new Promise((resolve) => {
          socket.addEventListener("message", ({ data }) => resolve(data));
          socket.addEventListener("open", () => resolve("open"));
          socket.addEventListener("error", () => resolve("refused"));
        });
        const read = await fetch(`${url}/api/approvals`, { credentials: "include" }).then(
          (response) => response.text(),
          () => "refused",
        );
        const body = JSON.stringify({ decision: "approved" });
        const decided = await fetch(url + path, {
          method: "POST",
          credentials: "include",
          headers: { "content-type": "application/json", "x-countersign": "1" },
          body,
        }).then(
          (response) => response.text(),
          () => "refused",
        );
        const blind = await fetch(url + path, { method: "POST", mode: "no-cors", credentials: "include", body }).then(
          (response) => response.type,
          () => "refused",
        );
        return [socketEnd, read, decided, blind];
      },
      { url: inbox.url, path: `/workspaces/${inbox.workspaceId}/approvals/${id}/decide` },
    );
    assert.deepEqual(heard, ["refused", "refused", "refused", "refused"]);
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.url().endsWith("/decide")),
      page.evaluate("document.forms[0].submit()"),
    ]);
    assert.equal(answer.status(), 403);
    assert.equal((await inbox.read(id)).status, "pending");
    const frame = await own.context().newPage();
    await frame.goto(`http://127.0.0.1:${(foreign.address() as AddressInfo).port}`);
    await frame.evaluate(`new Promise((resolve) => {
      const element = document.createElement("iframe");
      element.src = ${JSON.stringify(inbox.url)};
      element.onload = resolve;
      document.body.append(element);
    })`);
    assert.equal(await frame.frames()[1]?.locator("article").count(), 0, "the page is not shown in a frame");
  });

  it("takes a login link once, and keeps the code out of the address", async (t) => {
    const url = await inbox.loginUrl("alice");
    const first = await visit(browser, url);
    t.after(() => first.context.close());
    await first.page.getByText("you decide as alice").waitFor();
    assert.equal(first.page.url(), `${inbox.url}/`);
    assert.equal(await first.page.evaluate<string>("document.cookie"), "");
    const second = await visit(browser, url);
    t.after(() => second.context.close());
    await second.page.getByRole("heading", { name: "This login link no longer works" }).waitFor();
    await second.page.goto(inbox.url);
    await second.page.getByRole("heading", { name: "Sign in" }).waitFor();
  });

  it("takes a login link that was followed on another site, where the browser holds the new cookie back at first", async (t) => {
    const elsewhere = createServer((_request, response) => {
      response.setHeader("content-type", "text/html");
      response.end(`<a href="${link}">log in</a>`);
    });
    const link = await inbox.loginUrl("alice");
    await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
    t.after(() => void elsewhere.close());
    const { page, context } = await visit(browser, `http://localhost:${(elsewhere.address() as AddressInfo).port}`);
    t.after(() => context.close());
    await page.getByRole("link", { name: "log in" }).click();
    await page.getByRole("link", { name: "go on to the page" }).click();
    await page.getByText("you decide as alice").waitFor();
  });

  it("says that the session is over", async (t) => {
    const id = await inbox.ask({ action: "anything" });
    const page = await open(t, "alice");
    await page.context().clearCookies();
    await button(card(page, "anything"), "Deny").click();
    await page.getByRole("alert").getByText("Your session is over").waitFor();
    assert.equal((await inbox.read(id)).status, "pending");
  });
});
