/** A real browser for the tests of the inbox's page: Debian's chromium, or whatever CHROMIUM_PATH names. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/** For a container without a GPU, and for a browser that speaks to nobody but the test. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--no-proxy-server",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The browser's path, `undefined` where there is none. CHROMIUM_PATH comes before PATH. */
function findBrowser(env: NodeJS.ProcessEnv): string | undefined {
  const named = env["CHROMIUM_PATH"];
  if (named) return named;
  const folders = (env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isExecutable);
}

/**
 * What `node:test` takes as `skip`: false where there is a browser, else the reason, which is also told on stderr.
 * With CI=true it is false in any case, so that the tests fail for want of a browser instead of passing without one.
 */
export function skipWithoutBrowser(
  env = process.env,
  tell = (line: string) => process.stderr.write(line),
): string | false {
  if (findBrowser(env) !== undefined || env["CI"] === "true") return false;
  const reason = "no browser found: install chromium or set CHROMIUM_PATH";
  tell(`the page of the inbox is not tested: ${reason}\n`);
  return reason;
}

/** Starts the browser with a user folder of its own, new and removed at the end. */
export async function startBrowser(): Promise<Browser> {
  const executablePath = findBrowser(process.env);
  if (executablePath === undefined) throw new Error("no browser found: install chromium or set CHROMIUM_PATH");
  return chromium.launch({ executablePath, args: FLAGS });
}

/** What the browser itself says of a server that is down or refuses; the page has its own words for it. */
const UNREACHABLE = /^(?:Failed to load resource|WebSocket connection to)/;
const PATIENCE_MS = 10_000;

export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What went wrong in the page: errors, refused scripts, dialogs, and requests to another origin. */
  readonly problems: readonly string[];
}

/** Opens an address in a context of its own: no cookie of another visit. */
export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1000, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const problems: string[] = [];
  const { host } = new URL(url);
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => {
    if (message.type() === "error" && !UNREACHABLE.test(message.text())) {
      problems.push(`console: ${message.text()}`);
    }
  });
  page.on("request", (request) => {
    if (new URL(request.url()).host !== host) problems.push(`request: ${request.url()}`);
  });
  await page.goto(url);
  return { page, context, problems };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
