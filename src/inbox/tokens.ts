/** Who may speak to the inbox: tokens of agents and of reviewers, in SQL as SHA-256 only. */
import { createHash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { ApprovalError } from "../domain/errors.ts";
import { AUTO_EXPIRED, isId, isOwnDecider } from "../domain/names.ts";
import { CHANNEL, notice } from "./notice.ts";
import { microseconds } from "./sql-time.ts";
import type { Sql } from "./sql.ts";

/** Who a token speaks for. `tokenId` names the token, and is no secret. */
export type Caller =
  | { readonly kind: "agent"; readonly workspaceId: string; readonly tokenId: string }
  /** A person; `name` is what `decided_by` will say. */
  | {
      readonly kind: "reviewer";
      readonly name: string;
      readonly tokenId: string;
      /** Where a session speaks for the person: when it ends, milliseconds since the epoch. */
      readonly sessionEndsMs?: number;
    };

/** Whose a new token will be: the agent of a workspace, or a person. */
export interface TokenOwner {
  readonly kind: "agent" | "reviewer";
  /** The workspace's id or the person's name. */
  readonly subject: string;
}

export interface TokenList {
  readonly agents: readonly { readonly workspaceId: string; readonly token: string }[];
  readonly reviewers: readonly { readonly name: string; readonly token: string }[];
}

/** A token as it may be shown. */
export interface TokenInfo extends TokenOwner {
  readonly id: string;
  /** Who keeps it: "" for one that `create` made, else what was given to `ensure`. */
  readonly origin: string;
  readonly createdAtMs: number;
  readonly revokedAtMs?: number;
}

export interface Tokens {
  /** The token's bearer; `undefined` for one that is unknown or revoked. Reads the database each time: a revocation counts at once. */
  identify(token: string): Promise<Caller | undefined>;
  /** Makes a token. It is told this once and never again. Throws ERR_CONFIG for an owner that `ensure` would refuse. */
  create(owner: TokenOwner): Promise<{ readonly id: string; readonly token: string }>;
  /**
   * Lets in exactly these tokens of one origin, such as a folder with token files; those it gave earlier and no longer gives are removed.
   * Throws ApprovalError ERR_CONFIG, with every problem and no token in it, for an illegal workspace id,
   * a reviewer's name that is empty, over 128 characters, has control or format characters or belongs to Countersign or the platform,
   * a token that is shorter than 16 characters or not visible ASCII, a token given twice, and one that was revoked.
   */
  ensure(list: TokenList, origin: string): Promise<void>;
  /** All tokens, the oldest first. */
  list(): Promise<readonly TokenInfo[]>;
  /** The token's id is enough. Its sockets and sessions end with it. False where there is none, or it is revoked already. */
  revoke(id: string): Promise<boolean>;
}

const MIN_TOKEN_LENGTH = 16;

interface Row {
  readonly id: string;
  readonly kind: "agent" | "reviewer";
  readonly subject: string;
  readonly sha256: string;
  readonly origin: string;
  readonly created_us: number;
  readonly revoked_us: number | null;
}

const COLUMNS = `id, kind, subject, sha256, origin, ${microseconds("created_at")} as created_us, ${microseconds("revoked_at")} as revoked_us`;

/** The tokens of a migrated database. */
export function createTokens(sql: Sql): Tokens {
  return {
    async identify(token) {
      const hash = sha256(token);
      const [row] = await sql.query<Row>(
        `select ${COLUMNS} from countersign.tokens where sha256 = $1 and revoked_at is null`,
        [hash],
      );
      if (row === undefined || !timingSafeEqual(Buffer.from(row.sha256), Buffer.from(hash))) return undefined;
      return callerOf(row);
    },

    async create(owner) {
      refuseAll(ownerProblem(owner));
      const [id, token] = [randomUUID(), newToken()];
      await sql.query(
        "insert into countersign.tokens (id, kind, subject, sha256, origin, created_at) values ($1, $2, $3, $4, '', now())",
        [id, owner.kind, owner.subject, sha256(token)],
      );
      return { id, token };
    },

    async ensure(list, origin) {
      const wanted = ownersOf(list);
      refuseAll(problemsOf(wanted));
      await sql.transaction(async (tx) => {
        const hashes = wanted.map(({ token }) => sha256(token));
        const removed = await tx.query<{ id: string }>(
          "delete from countersign.tokens where origin = $1 and sha256 <> all($2::text[]) and revoked_at is null returning id",
          [origin, hashes],
        );
        for (const { id } of removed) await tx.query("select pg_notify($1, $2)", [CHANNEL, notice("revoked", id)]);
        for (const [at, { kind, subject }] of wanted.entries()) {
          const [row] = await tx.query<{ revoked: boolean }>(
            `insert into countersign.tokens (id, kind, subject, sha256, origin, created_at) values ($1, $2, $3, $4, $5, now())
              on conflict (sha256) do update set kind = excluded.kind, subject = excluded.subject, origin = excluded.origin
              returning revoked_at is not null as revoked`,
            [randomUUID(), kind, subject, hashes[at] as string, origin],
          );
          if (row?.revoked === true) {
            refuseAll([
              `the token of ${kind} ${subject} was revoked; delete its file, and the next start makes another`,
            ]);
          }
        }
      });
    },

    async list() {
      const rows = await sql.query<Row>(`select ${COLUMNS} from countersign.tokens order by created_at, id`);
      return rows.map(({ id, kind, subject, origin, created_us, revoked_us }) => ({
        id,
        kind,
        subject,
        origin,
        createdAtMs: created_us / 1000,
        ...(revoked_us === null ? {} : { revokedAtMs: revoked_us / 1000 }),
      }));
    },

    async revoke(id) {
      return sql.transaction(async (tx) => {
        const rows = await tx.query(
          "update countersign.tokens set revoked_at = now() where id = $1 and revoked_at is null returning id",
          [id],
        );
        if (rows.length === 0) return false;
        await tx.query("delete from countersign.logins where token_id = $1", [id]);
        await tx.query("select pg_notify($1, $2)", [CHANNEL, notice("revoked", id)]);
        return true;
      });
    },
  };
}

/** A new secret: 32 random bytes as base64url, 43 characters. */
export function newToken(): string {
  return randomBytes(32).toString("base64url");
}

/** As it stands in the database: hex. */
export function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

export function callerOf({ id, kind, subject }: { id: string; kind: string; subject: string }): Caller {
  return kind === "agent"
    ? { kind: "agent", workspaceId: subject, tokenId: id }
    : { kind: "reviewer", name: subject, tokenId: id };
}

interface Owned extends TokenOwner {
  readonly token: string;
}

function ownersOf({ agents, reviewers }: TokenList): readonly Owned[] {
  return [
    ...agents.map(({ workspaceId, token }) => ({ kind: "agent", subject: workspaceId, token }) as const),
    ...reviewers.map(({ name, token }) => ({ kind: "reviewer", subject: name, token }) as const),
  ];
}

function problemsOf(wanted: readonly Owned[]): readonly string[] {
  const seen = new Set<string>();
  return wanted.flatMap((owned) => {
    const problems = [...ownerProblem(owned)];
    const whose = `the token of ${owned.kind} ${JSON.stringify(owned.subject)}`;
    if (owned.token.length < MIN_TOKEN_LENGTH || !/^[!-~]+$/.test(owned.token)) {
      problems.push(`${whose} must be at least ${MIN_TOKEN_LENGTH} visible ASCII characters`);
    } else if (seen.has(owned.token)) problems.push(`${whose} is also another's`);
    seen.add(owned.token);
    return problems;
  });
}

function ownerProblem({ kind, subject }: TokenOwner): readonly string[] {
  const shown = JSON.stringify(subject);
  if (kind === "agent") return isId(subject) ? [] : [`workspace ${shown} is not a legal id`];
  if (subject.trim() === "" || subject.length > 128) return [`reviewer ${shown} must have 1 to 128 characters`];
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(subject))
    return [`reviewer ${shown} must not have control or format characters`];
  if (isOwnDecider(subject) || subject.trim().toLowerCase() === AUTO_EXPIRED)
    return [`reviewer ${shown} would be taken for Countersign or the platform; give a person's name`];
  return [];
}

function refuseAll(problems: readonly string[]): void {
  if (problems.length > 0) throw new ApprovalError("ERR_CONFIG", `inbox tokens: ${problems.join("; ")}`);
}
