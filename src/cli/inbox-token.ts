/** `countersign inbox token` and `countersign inbox login`: who may speak to the inbox. */
import type { Command } from "commander";
import { loadConfig } from "../config.ts";
import { ApprovalError } from "../domain/errors.ts";
import { visible } from "../domain/text.ts";
import type { TokenInfo, TokenOwner } from "../inbox/tokens.ts";
import { DEFAULT_DATA_FOLDER, openDataFolder } from "./data-folder.ts";
import { readAddress } from "./inbox-address.ts";
import type { InboxOperator } from "./inbox-operator.ts";
import type { Io } from "./io.ts";
import { printJson } from "./print-result.ts";
import { table } from "./table.ts";

interface Flags {
  readonly data: string;
  readonly json?: true;
}

interface CreateFlags extends Flags {
  readonly agent?: string;
  readonly reviewer?: string;
}

interface LoginFlags extends Flags {
  readonly reviewer?: string;
}

/** The reviewer of the data folder. */
const FOLDER_REVIEWER = "reviewer";

export function registerTokens(inbox: Command, io: Io): void {
  const token = inbox
    .command("token")
    .summary("make, list and revoke tokens")
    .description(
      "Makes, lists and revokes the tokens that the inbox lets in. Works while it runs, and counts at once.",
    );
  // Commander gives --data and --json to `inbox`, which has them too, wherever they stand.
  const command = (parent: Command, name: string): Command =>
    parent
      .command(name)
      .option("--data <folder>", "the inbox's data folder; not used for what is in DATABASE_URL", DEFAULT_DATA_FOLDER)
      .option("--json", "print JSON");

  command(token, "create")
    .summary("make a token, and show it once")
    .description(
      "Makes a token and shows it once: only its SHA-256 is kept. An agent's token asks, reads and withdraws in\nits workspace; a reviewer's reads and decides, under this name.",
    )
    .option("--agent <workspace>", "for the agent of this workspace")
    .option("--reviewer <name>", "for this person")
    .addHelpText(
      "after",
      "\nExamples:\n  countersign inbox token create --agent ws-1\n  countersign inbox token create --reviewer 'Ada Lovelace'",
    )
    .action((_flags, self: Command) => create(io, self.optsWithGlobals()));
  command(token, "list")
    .summary("list the tokens, without their values")
    .action((_flags, self: Command) => list(io, self.optsWithGlobals()));
  command(token, "revoke")
    .argument("<id>", "from the list; its first characters are enough")
    .summary("revoke a token: it counts no more at once, and its sockets and sessions end")
    .action((id: string, _flags, self: Command) => revoke(io, id, self.optsWithGlobals()));
  command(inbox, "login")
    .summary("make a login link for the web page")
    .description("Prints a link that logs a reviewer into the web page: once, and within ten minutes.")
    .option("--reviewer <name>", "a person with a token", FOLDER_REVIEWER)
    .action((_flags, self: Command) => login(io, self.optsWithGlobals()));
}

async function create(io: Io, flags: CreateFlags): Promise<void> {
  const owner = ownerOf(flags);
  const { id, token } = await withOperator(io, flags, (operator) => operator.createToken(owner));
  if (flags.json) printJson(io, { id, token, kind: owner.kind, subject: owner.subject });
  else {
    io.err(`The token of ${owner.kind} ${owner.subject}, id ${id}. It is not shown again:`);
    io.out(token);
  }
}

function ownerOf({ agent, reviewer }: CreateFlags): TokenOwner {
  if (agent !== undefined && reviewer === undefined) return { kind: "agent", subject: agent };
  if (reviewer !== undefined && agent === undefined) return { kind: "reviewer", subject: reviewer };
  throw new ApprovalError(
    "ERR_USAGE",
    "A token is either for --agent WORKSPACE or for --reviewer NAME; give one of them",
  );
}

async function list(io: Io, flags: Flags): Promise<void> {
  const tokens = await withOperator(io, flags, (operator) => operator.listTokens());
  if (flags.json) {
    printJson(io, {
      tokens: tokens.map(({ id, kind, subject, origin, createdAtMs, revokedAtMs }) => ({
        id,
        kind,
        subject,
        origin,
        created_at: timeOf(createdAtMs),
        revoked_at: revokedAtMs === undefined ? null : timeOf(revokedAtMs),
      })),
    });
    return;
  }
  const rows = tokens.map((one) => [one.id, one.kind, one.subject, timeOf(one.createdAtMs), stateOf(one)]);
  for (const line of table([["ID", "KIND", "FOR", "CREATED", "STATE"], ...rows])) io.out(visible(line));
}

function stateOf({ origin, revokedAtMs }: TokenInfo): string {
  if (revokedAtMs !== undefined) return `revoked ${timeOf(revokedAtMs)}`;
  return origin === "" ? "valid" : `valid, kept in ${origin}`;
}

async function revoke(io: Io, start: string, flags: Flags): Promise<void> {
  const id = await withOperator(io, flags, async (operator) => {
    const matching = (await operator.listTokens()).filter(({ id }) => id.startsWith(start));
    const [only, ...others] = matching;
    if (only === undefined || others.length > 0)
      throw new ApprovalError(
        "ERR_NOT_FOUND",
        `${matching.length} tokens have an id that starts with ${start}; see: countersign inbox token list`,
      );
    if (!(await operator.revokeToken(only.id)))
      throw new ApprovalError("ERR_NOT_FOUND", `The token ${only.id} is revoked already`);
    return only.id;
  });
  if (flags.json) printJson(io, { id, revoked: true });
  else io.out(`Revoked ${id}`);
}

async function login(io: Io, { reviewer = FOLDER_REVIEWER, ...flags }: LoginFlags): Promise<void> {
  const address = readAddress(openDataFolder(flags.data));
  if (address === undefined)
    throw new ApprovalError(
      "ERR_NOT_FOUND",
      `No inbox has run on the data folder ${flags.data}; start one with: countersign inbox --data ${flags.data}`,
    );
  const code = await withOperator(io, flags, async (operator) => {
    const token = (await operator.listTokens()).find(
      ({ kind, subject, revokedAtMs }) => kind === "reviewer" && subject === reviewer && revokedAtMs === undefined,
    );
    return token && operator.createCode(token.id);
  });
  if (code === undefined)
    throw new ApprovalError(
      "ERR_NOT_FOUND",
      `There is no valid token of a reviewer ${reviewer}; make one with: countersign inbox token create --reviewer NAME`,
    );
  const loginUrl = `${address.url}/login?code=${code}`;
  if (flags.json) printJson(io, { login_url: loginUrl });
  else io.out(loginUrl);
}

async function withOperator<Result>(
  io: Io,
  { data }: Flags,
  work: (operator: InboxOperator) => Promise<Result>,
): Promise<Result> {
  const { databaseUrl } = loadConfig(io.env, { database: true });
  // The whole inbox comes with it, which the other commands need not load.
  const { openOperator } = await import("./inbox-operator.ts");
  const operator = await openOperator(openDataFolder(data), databaseUrl);
  try {
    return await work(operator);
  } finally {
    await operator.close();
  }
}

function timeOf(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
}
