/** Where the inbox keeps its approvals, if not in its own folder. */
import type { Settings } from "./settings.ts";

/** DATABASE_URL or the content of DATABASE_URL_FILE. Its password is a secret, and so is the whole of it. */
export function databaseSettings(settings: Settings): {
  readonly url: string | undefined;
  readonly secrets: readonly string[];
} {
  const { value, content } = settings.secret("DATABASE_URL");
  const found = value ?? content;
  if (found === undefined) return { url: undefined, secrets: [] };
  const url = URL.canParse(found) ? new URL(found) : undefined;
  if (url === undefined || !/^postgres(?:ql)?:$/.test(url.protocol)) {
    settings.problems.push(
      "DATABASE_URL is not the address of a PostgreSQL database (not shown); allowed: postgresql://host:5432/database, with user and password before the host",
    );
    return { url: undefined, secrets: [found] };
  }
  const password = decoded(url.password);
  return { url: found, secrets: [found, ...(password === "" ? [] : [url.password, password])] };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
