/** Makes and revokes tokens and login links: in the database itself, or through the inbox that has it open. */
import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { z } from "zod";
import { ApprovalError, messageOf } from "../domain/errors.ts";
import type { Storage } from "../inbox/storage.ts";
import type { TokenInfo, TokenOwner } from "../inbox/tokens.ts";
import { secretIn } from "./data-folder.ts";
import type { DataFolder } from "./data-folder.ts";
import { readAddress } from "./inbox-address.ts";
import type { InboxAddress } from "./inbox-address.ts";
import { openFolderStorage } from "./inbox-data.ts";

export interface InboxOperator {
  createToken(owner: TokenOwner): Promise<{ readonly id: string; readonly token: string }>;
  listTokens(): Promise<readonly TokenInfo[]>;
  /** False where there is no such token, or it is revoked already. */
  revokeToken(id: string): Promise<boolean>;
  /** `undefined` for a token that is no reviewer's. */
  createCode(tokenId: string): Promise<string | undefined>;
  close(): Promise<void>;
}

const LIMIT_MS = 10_000;

/** Throws ERR_USAGE where the folder is in use by an inbox that cannot be reached, and what opening the database throws. */
export async function openOperator(folder: DataFolder, databaseUrl: string | undefined): Promise<InboxOperator> {
  let opened;
  try {
    opened = await openFolderStorage(folder, databaseUrl);
  } catch (error) {
    const address = error instanceof ApprovalError && error.code === "ERR_USAGE" ? readAddress(folder) : undefined;
    if (address === undefined) throw error;
    return overHttp(address, secretIn(folder.operatorTokenFile));
  }
  const { storage, close } = opened;
  return { ...direct(storage), close };
}

function direct({ tokens, logins }: Storage): Omit<InboxOperator, "close"> {
  return {
    createToken: (owner) => tokens.create(owner),
    listTokens: () => tokens.list(),
    revokeToken: (id) => tokens.revoke(id),
    createCode: (tokenId) => logins.createCode(tokenId),
  };
}

const TOKEN = z.object({
  id: z.string(),
  kind: z.enum(["agent", "reviewer"]),
  subject: z.string(),
  origin: z.string(),
  createdAtMs: z.number(),
  revokedAtMs: z.number().exactOptional(),
});

function overHttp(address: InboxAddress, token: string): InboxOperator {
  const ask = (method: string, path: string, body?: object) => exchange(address, token, { method, path, body });
  return {
    createToken: async (owner) =>
      z.object({ id: z.string(), token: z.string() }).parse(await ask("POST", "/operator/tokens", owner)),
    listTokens: async () => z.object({ tokens: z.array(TOKEN) }).parse(await ask("GET", "/operator/tokens")).tokens,
    revokeToken: async (id) => {
      const answer = await ask("DELETE", `/operator/tokens/${encodeURIComponent(id)}`);
      return z.object({ revoked: z.boolean() }).parse(answer).revoked;
    },
    createCode: async (tokenId) => {
      const answer = await ask("POST", "/operator/logins", { token_id: tokenId });
      return z.object({ code: z.string().nullable() }).parse(answer).code ?? undefined;
    },
    close: async () => {},
  };
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly body: object | undefined;
}

/** The JSON of a good answer. Throws ERR_PLATFORM_UNREACHABLE, and ERR_USAGE with the inbox's own words where it refuses. */
async function exchange({ localUrl, cert }: InboxAddress, token: string, call: Call): Promise<unknown> {
  const asked = `${call.method} ${localUrl}${call.path}`;
  const body = call.body === undefined ? undefined : JSON.stringify(call.body);
  const options = {
    method: call.method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    signal: AbortSignal.timeout(LIMIT_MS),
    agent: false,
  } as const;
  const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const url = `${localUrl}${call.path}`;
    const request =
      cert === undefined
        ? httpRequest(url, options)
        : // The certificate of this very inbox, whatever name stands in it.
          httpsRequest(url, {
            ...options,
            ca: cert,
            allowPartialTrustChain: true,
            checkServerIdentity: () => undefined,
          });
    request.on("error", reject);
    request.on("response", (response) => {
      textOf(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
    });
    request.end(body);
  }).catch((error: unknown) => {
    throw new ApprovalError(
      "ERR_PLATFORM_UNREACHABLE",
      `${asked} failed: ${messageOf(error)}; the inbox of this folder runs and does not answer: start it again`,
    );
  });
  const value: unknown = JSON.parse(answer.text);
  if (answer.status < 300) return value;
  const said = z.object({ error: z.string() }).safeParse(value).data?.error ?? `status ${answer.status}`;
  throw new ApprovalError("ERR_USAGE", `${asked} was refused: ${said}`);
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return text;
}
