/** The key that signs checkpoints: Ed25519, made once beside them. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, type KeyObject } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

const PRIVATE_KEY = "key.pem";
const PUBLIC_KEY = "key.pub.pem";

/** The folder's key; made, with mode 0600, where there is none yet. Several processes that come at once get the same one. */
export async function signingKey(folder: string): Promise<KeyObject> {
  const path = join(folder, PRIVATE_KEY);
  const pem = await readFile(path, "utf8").catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    const made = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
    const draft = `${path}.${randomUUID()}`;
    await writeFile(draft, made, { mode: 0o600, flag: "wx" });
    // Linked and not renamed: a link never replaces the key of another process.
    await link(draft, path).catch((failed: NodeJS.ErrnoException) => {
      if (failed.code !== "EEXIST") throw failed;
    });
    await rm(draft);
    return readFile(path, "utf8");
  });
  const key = createPrivateKey(pem);
  const published = createPublicKey(key).export({ type: "spki", format: "pem" });
  await writeFile(join(folder, PUBLIC_KEY), published, { mode: 0o644, flag: "wx" }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    },
  );
  return key;
}

/** The public half, for those who verify. Rejects where it cannot be read. */
export async function publicKey(folder: string): Promise<KeyObject> {
  return createPublicKey(await readFile(join(folder, PUBLIC_KEY), "utf8"));
}
