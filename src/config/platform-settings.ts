/** Where the platform is and who we are to it. */
import type { Machine, Settings } from "./settings.ts";

/** Where the platform keeps an agent's token, and rotates it. */
const TOKEN_FILE = "/configs/.auth_token";
const CONTAINER_HOST = "host.docker.internal";

export interface PlatformSettings {
  /** http or https, without credentials, query, fragment and closing slash. */
  readonly url: string;
  readonly origin?: string;
  readonly orgId?: string;
  readonly token?: string;
  /** Read again after a 401. */
  readonly tokenFile?: string;
}

/** True in a container of Docker or Podman. */
function inContainer(machine: Machine, dockerVersion: string | undefined): boolean {
  return dockerVersion !== undefined || machine.exists("/.dockerenv") || machine.exists("/run/.containerenv");
}

/** The settings of PLATFORM_*, and the secrets among them. Warns where traffic would leave the machine in the clear. */
export function platformSettings(settings: Settings): {
  readonly platform: PlatformSettings;
  readonly secrets: readonly (string | undefined)[];
} {
  const host = inContainer(settings.machine, settings.text("DOCKER_VERSION")) ? CONTAINER_HOST : "localhost";
  const url = platformUrl(settings) ?? new URL(`http://${host}:8080`);
  if (url.protocol === "http:" && !isThisMachine(url.hostname)) {
    settings.warnings.push(
      `PLATFORM_URL ${url.origin} is not encrypted: tokens and approvals can be read and changed on the way; use https off this machine`,
    );
  }
  const origin = settings.text("PLATFORM_ORIGIN");
  if (origin !== undefined && !isOrigin(origin)) {
    settings.refuse("PLATFORM_ORIGIN", origin, "an origin such as https://canvas.example.com, without a path");
  }
  const orgId = settings.text("PLATFORM_ORG_ID");
  if (orgId !== undefined && !/^[\x21-\x7e]{1,256}$/.test(orgId)) {
    settings.refuse("PLATFORM_ORG_ID", orgId, "1 to 256 printable ASCII characters without spaces");
  }
  const { value: token, file: tokenFile, content } = settings.secret("PLATFORM_TOKEN", TOKEN_FILE);
  const platform: PlatformSettings = {
    url: url.href.replace(/\/+$/, ""),
    ...(origin === undefined ? {} : { origin }),
    ...(orgId === undefined ? {} : { orgId }),
    ...(token === undefined ? {} : { token }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
  };
  return { platform, secrets: [token, content] };
}

function platformUrl(settings: Settings): URL | undefined {
  const name = "PLATFORM_URL";
  const found = settings.text(name);
  if (found === undefined) return undefined;
  const allowed = "an http or https URL without credentials, query and fragment, such as https://platform.example.com";
  const url = URL.canParse(found) ? new URL(found) : undefined;
  const bare = url !== undefined && url.username === "" && url.password === "";
  if (bare && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "") return url;
  if (found.includes("@")) {
    // What stands before it may be a password, also where it is no URL at all.
    settings.problems.push(
      `${name} has credentials in it (not shown); allowed: ${allowed}; put the token into PLATFORM_TOKEN`,
    );
  } else settings.refuse(name, found, allowed);
  return undefined;
}

/** Loopback, RFC 6761 section 6.3 and RFC 5735 section 3; and the host of this container, which is the same machine. */
function isThisMachine(hostname: string): boolean {
  return /^(?:(?:.+\.)?localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname) || hostname === CONTAINER_HOST;
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && new URL(text).origin === text.toLowerCase();
}
