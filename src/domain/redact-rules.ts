/**
 * What a secret looks like. Every pattern runs in linear time: no nested quantifiers, and a start that a run of characters
 * offers only once or a bounded look ahead. Sources: the families of docs/audit.md, "Redaction".
 */

/** Group `value` is the secret, `before` and `after` stay; without groups the whole match is the secret. */
export interface Rule {
  readonly pattern: RegExp;
  readonly isSecret?: (value: string) => boolean;
}

/** The shortest value that counts after a telling name. */
const LEAST = 6;

/** Digits, mixed case, or a run of letters longer than words are: prose has none of these. */
function looksRandom(value: string, longestWord: number): boolean {
  if (/\d/.test(value) || /[a-z][A-Z]|[A-Z]{2}[a-z]/.test(value)) return true;
  return value.split(/[^A-Za-z0-9]+/).some((word) => word.length >= longestWord);
}

/** `$NAME`, `${NAME}` and `<your-token>` name a secret without telling it. */
const PLACEHOLDER = /^(?:\$[A-Z_][A-Z0-9_]*|\$\{[A-Za-z_][A-Za-z0-9_]*\}|<[A-Za-z][A-Za-z _-]*>)$/;

function isValue(value: string): boolean {
  return value.length >= LEAST && !PLACEHOLDER.test(value);
}

const START = "(?<![A-Za-z0-9])";

/** Tokens that are known by their own shape. */
export const SHAPES: readonly Rule[] = [
  {
    pattern: new RegExp(
      START +
        "(?:" +
        [
          "gh[opsur]_[A-Za-z0-9]{20,}",
          "github_pat_[A-Za-z0-9_]{36,}",
          "(?:AKIA|ASIA)[A-Z0-9]{16,}",
          "xox[a-z]-[A-Za-z0-9-]{10,}",
          "glpat-[A-Za-z0-9_-]{20,}",
          "npm_[A-Za-z0-9]{36,}",
          "AIza[A-Za-z0-9_-]{35,}",
          "[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
          "hf_[A-Za-z0-9]{30,}",
          "cfut_[A-Za-z0-9_-]{32,}",
          "mol_pk_[A-Za-z0-9_-]{20,}",
          "ctx7(?:sk)?[_-][A-Za-z0-9_-]{16,}",
        ].join("|") +
        ")",
      "g",
    ),
  },
  // The vendors of models: sk-…, sk-cp-…, sk-ant-…, sk-proj-…
  { pattern: new RegExp(`${START}sk-[A-Za-z0-9_-]{16,}`, "g"), isSecret: (value) => looksRandom(value.slice(3), 16) },
  // A JSON Web Token: RFC 7519 section 3, base64url of a JSON object in front.
  { pattern: /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?/g },
  {
    // User information of a URL: RFC 3986 section 3.2.1. A bare name, as in ssh://git@host, is no secret.
    pattern: /(?<before>:\/\/)(?<value>[^\s/?#"'`<>]+)(?<after>@)/g,
    isSecret: (value) => value.includes(":") || (value.length >= 16 && looksRandom(value, 20)),
  },
];

const NAME = "(?:token|secret|api[_-]?key|access[_-]?key|private[_-]?key|passw(?:or)?d|passphrase)";
const QUOTE = "\\\\{0,3}[\"'`]";
const GAP = "[ \\t]{0,4}";
/** Not `==`, `=>`, `=~`: those compare. */
const EQUALS = "=(?![=>~])";
/** Up to the closing quote, which is an escaped one where the opening one is; without one, up to the end of the line. */
const QUOTED =
  `(?:(?<=\\\\["'])[^"'\\n]+?(?=\\\\{0,3}["'\\n]|$)|` +
  `(?<=")(?:[^"\\\\\\n]|\\\\.)+|(?<=')(?:[^'\\\\\\n]|\\\\.)+|(?<=\`)[^\`\\n]+)`;

/** Values that are known by the name before them. */
export const VALUES: readonly Rule[] = [
  {
    // RFC 9110 section 11.6.2: scheme and credentials, in a header.
    pattern:
      /(?<before>authorization["']?[ \t]{0,4}[:=][ \t]{0,4}["']?(?:bearer|basic|token|digest|apikey)[ \t]{1,4})(?<value>[^\s"'`]+)/gi,
    isSecret: isValue,
  },
  {
    // RFC 6750 section 2.1, anywhere else: prose speaks of "bearer authentication" too.
    pattern: /(?<before>(?<![A-Za-z0-9])bearer[ \t]{1,4})(?<value>[A-Za-z0-9._~+/=-]{6,})/gi,
    isSecret: (value) => looksRandom(value, 20),
  },
  // X_TOKEN="…", token = '…', "password": "…"
  {
    pattern: new RegExp(
      `(?<before>${NAME}(?:${QUOTE})?${GAP}(?:${EQUALS}|:)\\s{0,4}${QUOTE})(?<value>${QUOTED})`,
      "gi",
    ),
    isSecret: isValue,
  },
  // X_TOKEN=… as in a shell or an .env file: up to white space, because whatever follows may belong to it.
  {
    pattern:
      /(?<before>(?:TOKEN|SECRET|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|PASSWORD|PASSWD|PASSPHRASE)=)(?<value>[^\s"'`]+)/g,
    isSecret: isValue,
  },
  // ?token=…&, Password=…;, token = …
  {
    pattern: new RegExp(`(?<before>${NAME}${GAP}${EQUALS}${GAP})(?<value>(?:\\\\.|[^\\s"'\`&;|()<>\\\\])+)`, "gi"),
    isSecret: isValue,
  },
  // ADMIN_TOKEN: …, X-Api-Key: …; "password: required" is prose.
  {
    pattern: new RegExp(`(?<before>${NAME}:[ \\t]{1,4})(?<value>[^\\s"'\`]{8,})`, "gi"),
    isSecret: (value) => isValue(value) && looksRandom(value, 20),
  },
  // --api-key …
  {
    pattern: new RegExp(
      `(?<before>--(?:[a-z0-9]{1,20}-){0,4}${NAME}[ \\t]{1,4})(?<value>[^\\s"'\`$<-][^\\s"'\`]{5,})`,
      "gi",
    ),
  },
  // A base64 or hex token of 32 or more that follows such a name in a table, a list or a sentence.
  {
    pattern: new RegExp(
      `(?<before>${NAME}s?(?:[ \\t]{1,2}(?:is|was))?[\\s"'\`:=|>()*[\\],-]{1,12})(?<value>[A-Za-z0-9+_-][A-Za-z0-9+/_-]{31,}={0,2})`,
      "gi",
    ),
    isSecret: (value) => looksRandom(value, 24),
  },
  // Last, because it takes the rest of the line up to a quote: a name in there would no longer tell of the value in the quotes.
  {
    pattern: /(?<before>cookie["']?:[ \t]{0,4}["']?)(?<value>[^\s"'=;]{1,64}=[^\r\n"']{4,})/gi,
  },
];
