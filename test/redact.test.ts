import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { redactJson } from "../src/domain/redact-json.ts";
import { redact, REDACT_LIMIT, REDACTED } from "../src/domain/redact.ts";
import { cut, cutJson, summaryText, visible, visibleJson } from "../src/domain/text.ts";

const B64 = "HlgeMb8LjQLXg1B4cdHkEn7Rb2Vq0tYw3ZpKs9Ua5fM=";
const HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAAAA\n-----END RSA PRIVATE KEY-----";
/** Split, so that no scanner takes this file for a leak. */
const token = (...parts: string[]) => parts.join("");

/** Text with a secret between « and »; the rest must stay. */
const SECRETS: readonly string[] = [
  `«${token("sk-", "cp-", "a1B2c3D4e5F6g7H8i9J0")}»`,
  `key «${token("sk-", "a".repeat(20))}» used`,
  `key «${token("sk-", "proj-abcDEF123456_7890-xyz")}», rotated`,
  `«${token("sk-", "ant-api03-Zz9Yy8Xx7Ww6Vv5Uu4")}»`,
  `clone with «${token("ghp_", "16C7e42F292c6912E7710c838347Ae178B4a")}»`,
  `(«${token("ghs_", "16C7e42F292c6912E7710c838347Ae178B4a")}»)`,
  `«${token("gho_", "abcdefghijklmnopqrst")}»`,
  `«${token("github_pat_", "11ABCDEFG0", "x".repeat(72))}»`,
  `«${token("AKIA", "IOSFODNN7EXAMPLE")}»`,
  `aws «${token("ASIA", "IOSFODNN7EXAMPLE")}».`,
  `«${token("xoxb-", "123456789012-abcdefABCDEF")}»`,
  `«${token("glpat-", "aB3dE6gH9jK2mN5pQ8sT")}»`,
  `«${token("npm_", "a1b2c3d4e5f6g7h8i9j0a1b2c3d4e5f6g7h8")}»`,
  `«${token("AIza", "SyA1234567890abcdefghijklmnopqrstuvw")}»`,
  `«${token("sk_", "live_4eC39HqLyjWDarjtT1zdp7dc")}»`,
  `«${token("hf_", "AbCdEfGhIjKlMnOpQrStUvWxYz012345")}»`,
  `«${token("cfut_", "x".repeat(36))}»`,
  `«${token("mol_pk_", "x".repeat(24))}»`,
  `jwt «${token("eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiIxMjM0In0.", "dozjgNryP4J3jVmNHl0w5N")}»`,
  `curl -H "Authorization: Bearer «abcdef»" http://x`,
  `curl -H 'authorization: bearer «abc/def+ghi=»'`,
  `Authorization: Basic «dXNlcjpwYXNz»`,
  `Authorization: token «${HEX.slice(0, 40)}»`,
  `Bearer «${B64}»`,
  `sent Bearer «a1b2c3d4» to it`,
  `Cookie: «sid=31d4d96e407aad42; theme=dark»`,
  `"Set-Cookie": "«session=abcdef; HttpOnly»"`,
  `git clone https://«user:pass»@github.com/a/b.git`,
  `postgres://«admin:p@ss%2Fword»@db.internal:5432/app`,
  `redis://«:only-a-password»@cache:6379/0`,
  `https://«x0y1z2a3b4c5d6e7f8»@api.example.com/v1`,
  `GITHUB_TOKEN=«abcdef» npm publish`,
  `export SLACK_SECRET=«abc;def&ghi(jkl)»`,
  `OPENAI_API_KEY=«not-a-known-shape»`,
  `DB_PASSWORD=«hunter2»`,
  `PASSWORD="«correct horse battery staple»" run`,
  `PASSWORD='«correct horse "battery" staple»' run`,
  `AWS_SECRET_ACCESS_KEY=«wJalrXUtnFEMI/K7MDENG+bPxRfi»`,
  `https://x.test/cb?token=«abcdef»&page=2`,
  `https://x.test/cb#access_token=«abc.def-ghi»&state=1`,
  `Server=db;User=sa;Password=«hunter22»;Database=x`,
  `api_key = «abcdef123»`,
  `{"api_key": "«abcdef»", "n": 1}`,
  `{\\"password\\":\\"«hunter22»\\",\\"n\\":1}`,
  `{'secret': '«it\\'s a secret»'}`,
  `client_secret: "«abcdef»"`,
  `DB_PASSWORD: «Tr0ub4dor&3»`,
  `X-Api-Key: «0a1b2c3d4e5f»`,
  `deploy --api-key «abcdef» --dry-run`,
  `mysql --password «hunter22» -u root`,
  `ADMIN_TOKEN | «${B64}» |`,
  `the token is «${HEX}».`,
  `* ADMIN_TOKEN: \`«${B64}»\``,
  `tokens: «${HEX.slice(0, 32)}»`,
  `Cookie: «sid=31d4d96e407aad42; then client_secret: »'«abcdef123»'`,
  `before «${KEY}» after`,
  `before «-----BEGIN PRIVATE KEY-----\nMIIEvQ without its end»`,
];

test("replaces every secret of the known families, and nothing around it", () => {
  for (const marked of SECRETS) {
    const text = marked.replace(/[«»]/g, "");
    const expected = marked.replace(/«[^»]*»/g, REDACTED);
    assert.equal(redact(text), expected);
  }
});

const LOOK_ALIKES: readonly string[] = [
  "delete the production database",
  "send 500 EUR to the supplier, as agreed in task-2024-001",
  "the desk-top-publishing-department-newsletter",
  "pip install sk-learn-compatible-estimators",
  "sk-short",
  "sk-12345",
  "ask-the-expert-panel-for-a-review",
  "ghp_short",
  "ghs_1234567890",
  "github_pat_rotation_interval_days",
  "AKIA is the prefix of a key id",
  "AKIA1234",
  "akiaiosfodnn7example",
  "the bearer of this letter",
  "Bearer authentication is required",
  "bearer tokens expire after one hour",
  "Authorization: required",
  "Authorization: Bearer $TOKEN",
  'curl -H "Authorization: Bearer ${GITHUB_TOKEN}"',
  "https://example.com:8080/users/@me",
  "https://example.com/a?mail=x@y.org",
  "ssh://git@github.com/org/repo.git",
  "git@github.com:org/repo.git",
  "mail ops@example.com about //the/path",
  "rotate GITHUB_TOKEN and DB_PASSWORD",
  "GITHUB_TOKEN=$GH_TOKEN npm publish",
  "GITHUB_TOKEN=${GH_TOKEN} npm publish",
  "API_KEY=<your-api-key>",
  "HAS_SECRET=true",
  "MAX_TOKEN=4096",
  "PASSWORD=",
  "PWD=/home/agent/project",
  "max_tokens=1000000",
  "if (token == previous) return",
  "password => handler",
  "password: required, at least twelve letters",
  "Password must contain a digit",
  "the secret of good documentation-as-code-and-other-tales",
  "token count 128000, context 200000",
  "--token-file /run/secrets/platform",
  "--password -p",
  "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
  "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  "approval 123e4567-e89b-12d3-a456-426614174000 of request r-1",
  "cookie: the chocolate kind",
  "eyJ is how a token begins",
  "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
  "/usr/local/lib/node_modules/@temporalio/worker/lib/index.js",
  "secretary of state",
  "passwordless login",
];

test("keeps prose, short values and look-alikes", () => {
  assert.ok(LOOK_ALIKES.length >= 40);
  for (const text of LOOK_ALIKES) assert.equal(redact(text), text);
});

test("replaces the exact values of known secrets wherever they stand", () => {
  const secrets = ['p@ss/w"rd', "plain", "plainer-and-longer", "abc"];
  assert.equal(redact("xplainx", secrets), `x${REDACTED}x`);
  assert.equal(redact("plainer-and-longer", secrets), REDACTED);
  assert.equal(
    redact('a p@ss/w"rd, %: p%40ss%2Fw%22rd, json: p@ss/w\\"rd', secrets),
    `a ${REDACTED}, %: ${REDACTED}, json: ${REDACTED}`,
  );
  assert.equal(redact("abc stays, being too short to look for", secrets), "abc stays, being too short to look for");
  assert.equal(redact("a REDACTED text", ["REDACTED"]), `a ${REDACTED} text`);
  assert.equal(redact("lone \ud800 surrogate", ["lone \ud800"]), `${REDACTED} surrogate`);
});

const secretValue = fc.stringMatching(/^[A-Za-z0-9]{30,60}$/).filter((value) => /\d/.test(value));
const planted = fc
  .tuple(
    secretValue,
    fc.constantFrom(
      (value: string) => `ghp_${value}`,
      (value: string) => `sk-cp-${value}`,
      (value: string) => `Bearer ${value}`,
      (value: string) => `https://user:${value}@host/`,
      (value: string) => `X_TOKEN=${value}`,
      (value: string) => `password="${value}"`,
      (value: string) => `{"client_secret":"${value}"}`,
      (value: string) => `api_key: ${value}`,
      (value: string) => `AKIA${value.toUpperCase()}`,
    ),
  )
  .map(([value, form]) => ({ value, text: form(value) }));

test("leaves no planted secret, whatever text stands around it", () => {
  fc.assert(
    fc.property(fc.array(planted, { minLength: 1, maxLength: 5 }), fc.string({ unit: "binary" }), (list, around) => {
      const text = list.map((item) => `${around} ${item.text}`).join("\n");
      const got = redact(text);
      for (const { value } of list) assert.ok(!got.includes(value), got);
    }),
  );
});

const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 20 }),
      planted.map((item) => item.text),
      fc.constantFrom(...SECRETS, ...LOOK_ALIKES),
      fc.constantFrom(
        REDACTED,
        "TOKEN=",
        "Bearer ",
        "://",
        "@",
        '"',
        "'",
        "=",
        ":",
        " ",
        "-----BEGIN PRIVATE KEY-----",
        "\\",
      ),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));

test("changes nothing when applied again", () => {
  const secrets = ["REDACTED", "hunter2", "***R", "token"];
  fc.assert(
    fc.property(anyText, (text) => {
      for (const known of [[], secrets]) {
        const once = redact(text, known);
        assert.equal(redact(once, known), once);
      }
    }),
    { numRuns: 1_000 },
  );
});

test("grows a text by no more than the marks it puts in, and bounds a huge one", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const got = redact(text);
      const marks = got.split(REDACTED).length - 1;
      assert.ok(got.length <= text.length + marks * REDACTED.length);
    }),
  );
  const huge = redact(`${"word ".repeat(REDACT_LIMIT)}${token("sk-", "a".repeat(30))}`);
  assert.ok(huge.length <= REDACT_LIMIT && huge.endsWith("…"));
  assert.equal(redact(huge), huge);
  const split = redact(`${" ".repeat(REDACT_LIMIT - 15)}${token("ghp_", "a1".repeat(40))}`);
  assert.doesNotMatch(split, /ghp_/);
});

test("takes time in proportion to hostile text, not to its square", () => {
  const seeds = [
    "TOKEN=", "token: ", "://", "://a:", "eyJ", "eyJaaaaaaaaa.", "sk-", "sk-a-b-c", "Bearer ", "cookie: ", "--a-", "--a-a-a-a-token ",
    "-----BEGIN PRIVATE KEY-----", 'token="', `token='x"`, "a", "password ", "a@", " ", "\\", `token\\"=\\'`, "authorization: bearer ",
    "tokens is ", "ghp_", "AKIA", "=", `{"a":`, "\n", "token                 ", "://@",
  ]; // prettier-ignore
  redact("warm up TOKEN=abcdef", ["abcdefgh"]);
  // The best of several: a busy machine is slow now and then, a quadratic pattern is slow every time.
  const best = (text: string) =>
    Math.min(
      ...Array.from({ length: 7 }, () => {
        const start = performance.now();
        redact(text, ["abcdefgh"]);
        return performance.now() - start;
      }),
    );
  for (const seed of seeds) {
    const of = (bytes: number) => best(seed.repeat(Math.ceil(bytes / seed.length)));
    const [small, large] = [of(REDACT_LIMIT / 16), of(REDACT_LIMIT)];
    // Sixteen times the text: a quadratic pattern takes 256 times as long. What is under a millisecond is noise.
    assert.ok(
      large < 80 * Math.max(small, 0.5),
      `${JSON.stringify(seed)}: ${small.toFixed(2)} ms, then ${large.toFixed(2)} ms`,
    );
  }
});

test("redacts nested values by key and by content, and leaves their shape", () => {
  const value = {
    action: `use ${token("ghp_", "16C7e42F292c6912E7710c838347Ae178B4a")} now`,
    token: "short",
    headers: { Authorization: "x", "X-Api-Key": ["a", "b"], Cookie: { sid: 1 }, accept: "json" },
    client_secret: 42,
    DB_PASSWORD: "x",
    access_token: null,
    has_token: true,
    secret: "",
    tokens_left: 7,
    nested: [[{ password: "x" }], undefined, 1n],
    [`key ${token("sk-", "cp-a1B2c3D4e5F6g7H8i9J0")}`]: 1,
    skip: undefined,
    nan: NaN,
  };
  assert.deepEqual(redactJson(value), {
    action: `use ${REDACTED} now`,
    token: REDACTED,
    headers: { Authorization: REDACTED, "X-Api-Key": REDACTED, Cookie: REDACTED, accept: "json" },
    client_secret: REDACTED,
    DB_PASSWORD: REDACTED,
    access_token: null,
    has_token: true,
    secret: "",
    tokens_left: 7,
    nested: [[{ password: REDACTED }], null, "1"],
    [`key ${REDACTED}`]: 1,
    nan: "NaN",
  });
});

test("keeps a key called __proto__ a key, and ends at a depth instead of overflowing", () => {
  const parsed = redactJson(JSON.parse('{"__proto__":{"polluted":1}}')) as object;
  assert.ok(Object.hasOwn(parsed, "__proto__"));
  assert.equal(({} as { polluted?: number }).polluted, undefined);
  let deep: unknown = "end";
  for (let level = 0; level < 100_000; level++) deep = [deep];
  assert.match(JSON.stringify(redactJson(deep)), /"…"/);
});

test("shows every control, bidirectional, zero-width and default-ignorable character", () => {
  assert.equal(
    visible("a\u001b[31mb\u202ec\u200bd\u{e0041}e\ufe0ff\u2028g\nh\ti\u0085"),
    "a\\u{1b}[31mb\\u{202e}c\\u{200b}d\\u{e0041}e\\u{fe0f}f\\u{2028}g\\u{a}h\\u{9}i\\u{85}",
  );
  assert.equal(visible("plain – naïve 日本語 🙂 \u00a0"), "plain – naïve 日本語 🙂 \u00a0");
  const hidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]/u;
  for (let code = 0; code <= 0x10ffff; code++) {
    const character = String.fromCodePoint(code);
    if (hidden.test(character)) assert.ok(!hidden.test(visible(character)), code.toString(16));
  }
});

test("escapes JSON text without changing its value", () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: "binary" }), (json) => {
      const escaped = visibleJson(JSON.stringify(JSON.parse(json)));
      assert.deepEqual(JSON.parse(escaped), JSON.parse(json));
      assert.doesNotMatch(escaped, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u);
    }),
  );
});

test("cuts at a code point, within the bytes, and only where it must", () => {
  assert.equal(cut("four", 4), "four");
  assert.equal(cut("fours", 4), "f…");
  assert.equal(cut("🙂🙂", 7), "🙂…");
  assert.equal(cut("abc", 2), "ab");
  const units = (text: string) => Buffer.byteLength(JSON.stringify(text).slice(1, -1));
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), fc.integer({ min: 0, max: 80 }), (text, bytes) => {
      for (const [done, size] of [
        [cut(text, bytes), Buffer.byteLength],
        [cutJson(text, bytes), units],
      ] as const) {
        assert.ok(size(done) <= bytes);
        if (size === Buffer.byteLength && size(text) <= bytes) assert.equal(done, text);
        if (done !== text) assert.ok(text.startsWith(done.replace(/…$/, "")));
      }
    }),
  );
});

test("makes a summary of at most 120 characters and 300 bytes that holds no secret", () => {
  assert.equal(summaryText("deploy 1.2"), "deploy 1.2");
  assert.equal(summaryText("a\nb my-secret", ["my-secret"]), `a\\u{a}b ${REDACTED}`);
  const long = summaryText("x".repeat(200));
  assert.equal(long, `${"x".repeat(119)}…`);
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (action) => {
      const summary = summaryText(action);
      assert.ok([...summary].length <= 120);
      assert.ok(Buffer.byteLength(JSON.stringify(summary)) <= 302);
    }),
  );
  for (const unit of ["🙂", '"', "\\", "\n", "\u200b", "日"]) {
    assert.ok(Buffer.byteLength(JSON.stringify(summaryText(unit.repeat(400)))) <= 302, unit);
  }
});
