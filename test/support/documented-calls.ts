/** Calls of our command as documents show them, held against the help of the command itself. */
import { main } from "../../src/cli/main.ts";

/** The words of every call of our command in a block of shell, `npm start` being one of `up`. */
export function callsIn(block: string): string[][] {
  return block
    .replaceAll("\\\n", " ")
    .split(/\n|&&|\|\|?|;/)
    .flatMap((line) => {
      const words = (line.replace(/(?:^|\s)#.*$/, "").match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? []).map((word) =>
        word.replaceAll(/^["']|["']$/g, ""),
      );
      const at = words.findIndex((word) => word === "countersign" || word.endsWith("bin/countersign.js"));
      if (at >= 0) return [words.slice(at + 1)];
      const start = words.join(" ").startsWith("npm start --") ? words.slice(3) : undefined;
      return start === undefined ? [] : [["up", ...start]];
    });
}

/** What the command's help does not know of these words; `undefined` where it knows all. */
export async function unknownIn(words: readonly string[]): Promise<string | undefined> {
  const path: string[] = [];
  let help = await helpOf(path);
  let rest = [...words];
  while (/^Commands:$/m.test(help)) {
    const [word = ""] = rest;
    const [, commands = ""] = /^Commands:\n((?: .*\n?)+)/m.exec(help) ?? [];
    if (path.length === 0 && word === "help") return undefined;
    if (path.length > 0 && (word === "" || word.startsWith("-"))) break;
    if (!new RegExp(String.raw`^  ${word}\b`, "m").test(commands)) return `no command ${word}`;
    path.push(word);
    rest = rest.slice(1);
    help = await helpOf(path);
  }
  const [, options = ""] = /^Options:\n((?: .*\n?)+)/m.exec(help) ?? [];
  const known = new Set(options.match(/(?<=^ {2}|^ {2}-\w, )--?[\w-]+/gm));
  const unknown = rest.filter((word) => /^--?[a-z]/.test(word) && !known.has(word.replace(/=.*$/, "")));
  return unknown.length === 0 ? undefined : `no option ${unknown.join(", ")}`;
}

const helps = new Map<string, Promise<string>>();

async function helpOf(path: readonly string[]): Promise<string> {
  const key = path.join(" ");
  const known = helps.get(key);
  if (known !== undefined) return known;
  const ask = async (): Promise<string> => {
    let text = "";
    const write = (part: string): void => void (text += `${part}\n`);
    const colour = { out: false, err: false };
    await main([...path, "--help"], {
      out: write,
      err: write,
      colour,
      env: {},
      onInterrupt: () => () => {},
      exitCode: 0,
    });
    return text;
  };
  const answer = ask();
  helps.set(key, answer);
  return answer;
}
