import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { ApprovalError } from "../domain/errors.ts";
import { AUTO_EXPIRED, isId, isOwnDecider } from "../domain/names.ts";

/** Who a token speaks for. */
export type Caller =
  | { readonly kind: "agent"; readonly workspaceId: string }
  /** A person; `name` is what `decided_by` will say. */
  | { readonly kind: "reviewer"; readonly name: string };

export interface TokenList {
  readonly agents: readonly { readonly workspaceId: string; readonly token: string }[];
  readonly reviewers: readonly { readonly name: string; readonly token: string }[];
}

/** The tokens an inbox accepts. Only their SHA-256 is kept. */
export interface Tokens {
  /** The token's bearer; `undefined` for an unknown token. Takes as long for any guess. */
  identify(token: string): Caller | undefined;
}

const MIN_TOKEN_LENGTH = 16;

/**
 * Checks and hashes the tokens. Throws ApprovalError ERR_CONFIG, with every problem and no token in it, for an illegal workspace id,
 * a reviewer's name that is empty, over 128 characters, has control or format characters or belongs to Countersign or the platform,
 * a token that is shorter than 16 characters or not visible ASCII, and a token given twice.
 */
export function createTokens({ agents, reviewers }: TokenList): Tokens {
  const problems = [
    ...agents
      .filter(({ workspaceId }) => !isId(workspaceId))
      .map(({ workspaceId }) => `workspace ${JSON.stringify(workspaceId)} is not a legal id`),
    ...reviewers.flatMap(({ name }) => nameProblem(name) ?? []),
  ];
  const known = [
    ...agents.map(({ workspaceId, token }) => ({
      owner: `the agent of ${workspaceId}`,
      token,
      caller: { kind: "agent", workspaceId } as const,
    })),
    ...reviewers.map(({ name, token }) => ({
      owner: `reviewer ${name}`,
      token,
      caller: { kind: "reviewer", name } as const,
    })),
  ];
  const seen = new Set<string>();
  for (const { owner, token } of known) {
    if (token.length < MIN_TOKEN_LENGTH || !/^[!-~]+$/.test(token)) {
      problems.push(`the token of ${owner} must be at least ${MIN_TOKEN_LENGTH} visible ASCII characters`);
    } else if (seen.has(token)) {
      problems.push(`the token of ${owner} is also another's`);
    }
    seen.add(token);
  }
  if (problems.length > 0) throw new ApprovalError("ERR_CONFIG", `inbox tokens: ${problems.join("; ")}`);

  const entries = known.map(({ token, caller }) => ({ hash: sha256(token), caller }));
  return {
    identify(token) {
      const hash = sha256(token);
      let found: Caller | undefined;
      // No early exit: how long this takes must not tell how far a guess got.
      for (const entry of entries) if (timingSafeEqual(entry.hash, hash)) found = entry.caller;
      return found;
    },
  };
}

/** A new token: 32 random bytes as base64url, 43 characters. */
export function newToken(): string {
  return randomBytes(32).toString("base64url");
}

function nameProblem(name: string): string | undefined {
  const shown = JSON.stringify(name);
  if (name.trim() === "" || name.length > 128) return `reviewer ${shown} must have 1 to 128 characters`;
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name)) return `reviewer ${shown} must not have control or format characters`;
  if (isOwnDecider(name) || name.trim().toLowerCase() === AUTO_EXPIRED) {
    return `reviewer ${shown} would be taken for Countersign or the platform; give a person's name`;
  }
  return undefined;
}

function sha256(token: string): Buffer {
  return createHash("sha256").update(token, "utf8").digest();
}
