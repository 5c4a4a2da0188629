/** How a person's browser becomes known: a one-time code in a link, exchanged for a session in a cookie. In SQL as SHA-256 only. */
import { microseconds } from "./sql-time.ts";
import { callerOf, newToken, sha256, type Caller } from "./tokens.ts";
import type { Sql } from "./sql.ts";

/** Minutes that a login link can be used. */
export const CODE_MINUTES = 10;
/** Hours that a session lasts: a working day. */
export const SESSION_HOURS = 12;

type Reviewer = Extract<Caller, { kind: "reviewer" }>;

export interface Logins {
  /** A code for the reviewer of this token. `undefined` where the token is unknown, revoked or an agent's. */
  createCode(tokenId: string): Promise<string | undefined>;
  /** Exchanges a code for a session, once; `undefined` for one that is unknown, used or over ten minutes old. */
  redeem(code: string): Promise<string | undefined>;
  /** The session's reviewer; `undefined` for one that is unknown, over twelve hours old, or whose token was revoked. */
  identify(session: string): Promise<Reviewer | undefined>;
}

/** The logins of a migrated database. `now` is in milliseconds since the epoch. */
export function createLogins(sql: Sql, now: () => number = Date.now): Logins {
  const insert =
    "insert into countersign.logins (sha256, kind, token_id, expires_at) select $1, $2, id, to_timestamp($3::float8) + $4::interval";
  return {
    async createCode(tokenId) {
      const code = newToken();
      await sql.query("delete from countersign.logins where expires_at <= to_timestamp($1::float8)", [now() / 1000]);
      const rows = await sql.query(
        `${insert} from countersign.tokens where id = $5 and kind = 'reviewer' and revoked_at is null returning 1`,
        [sha256(code), "code", now() / 1000, `${CODE_MINUTES} minutes`, tokenId],
      );
      return rows.length === 0 ? undefined : code;
    },

    async redeem(code) {
      const session = newToken();
      return sql.transaction(async (tx) => {
        const [used] = await tx.query<{ token_id: string }>(
          "delete from countersign.logins where sha256 = $1 and kind = 'code' and expires_at > to_timestamp($2::float8) returning token_id",
          [sha256(code), now() / 1000],
        );
        if (used === undefined) return undefined;
        await tx.query(`${insert} from countersign.tokens where id = $5`, [
          sha256(session),
          "session",
          now() / 1000,
          `${SESSION_HOURS} hours`,
          used.token_id,
        ]);
        return session;
      });
    },

    async identify(session) {
      const [row] = await sql.query<{ id: string; subject: string; ends_us: number }>(
        `select t.id, t.subject, ${microseconds("l.expires_at")} as ends_us from countersign.logins l join countersign.tokens t on t.id = l.token_id
          where l.sha256 = $1 and l.kind = 'session' and l.expires_at > to_timestamp($2::float8)
            and t.kind = 'reviewer' and t.revoked_at is null`,
        [sha256(session), now() / 1000],
      );
      if (row === undefined) return undefined;
      const caller = callerOf({ ...row, kind: "reviewer" });
      return caller.kind === "reviewer" ? { ...caller, sessionEndsMs: row.ends_us / 1000 } : undefined;
    },
  };
}
