/** Reads single settings out of an environment, and collects every problem instead of stopping at the first. */
import { messageOf } from "../domain/errors.ts";
import { cut, visible } from "../domain/text.ts";
import { redact } from "../domain/redact.ts";

/** What configuration needs of the machine beside the environment. */
export interface Machine {
  exists(path: string): boolean;
  /** The text of a small file; throws as node:fs does. */
  read(path: string): string;
}

/** What was found of one secret. */
export interface Secret {
  /** From the variable. */
  readonly value: string | undefined;
  readonly file: string | undefined;
  /** Of the file, now. */
  readonly content: string | undefined;
}

/** One environment. An empty variable counts as unset. */
export class Settings {
  readonly problems: string[] = [];
  /** What works and should be known. */
  readonly warnings: string[] = [];
  readonly machine: Machine;
  readonly #env: NodeJS.ProcessEnv;

  constructor(env: NodeJS.ProcessEnv, machine: Machine) {
    this.#env = env;
    this.machine = machine;
  }

  /** The value without white space around it; `undefined` where there is none. */
  text(name: string): string | undefined {
    const value = this.#env[name]?.trim();
    return value === "" ? undefined : value;
  }

  /** Notes what is wrong with a setting whose value may be shown. */
  refuse(name: string, found: string, allowed: string): void {
    this.problems.push(`${name} is "${cut(visible(redact(found)), 120)}"; allowed: ${allowed}`);
  }

  /** The value where `isGood`, else a problem and `fallback`. */
  checked(name: string, fallback: string, allowed: string, isGood: (value: string) => boolean): string {
    const value = this.text(name);
    if (value === undefined) return fallback;
    if (isGood(value)) return value;
    this.refuse(name, value, allowed);
    return fallback;
  }

  /** A decimal number above `above` and at most `most`; fractions unless `whole`. */
  number(
    name: string,
    fallback: number,
    limits: { above: number; most: number; whole?: boolean; unit?: string },
  ): number {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const number = /^\+?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(value) ? Number(value) : Number.NaN;
    if (number > limits.above && number <= limits.most && (limits.whole !== true || Number.isInteger(number)))
      return number;
    const kind = limits.whole === true ? "a whole number" : "a number";
    const unit = limits.unit === undefined ? "" : ` of ${limits.unit}`;
    this.refuse(name, value, `${kind}${unit} above ${limits.above} and at most ${limits.most}`);
    return fallback;
  }

  /** `true` or `false` in any case. */
  flag(name: string, fallback: boolean): boolean {
    const value = this.checked(name, String(fallback), "true or false", (text) => /^(?:true|false)$/i.test(text));
    return value.toLowerCase() === "true";
  }

  /**
   * A secret from NAME, or from the file that NAME_FILE or `defaultFile` names. Problems tell its length and nothing else of it.
   * A file that is empty, or a default one that cannot be read, may be filled later: a warning.
   */
  secret(name: string, defaultFile?: string): Secret {
    const value = this.text(name);
    if (value !== undefined) this.#checkSecret(name, value);
    const named = this.text(`${name}_FILE`);
    const byDefault =
      named === undefined && value === undefined && defaultFile !== undefined && this.machine.exists(defaultFile);
    const file = named ?? (byDefault ? defaultFile : undefined);
    const content = file === undefined ? undefined : this.#contentOf(`${name}_FILE`, file, byDefault);
    return { value, file, content };
  }

  #contentOf(name: string, file: string, byDefault: boolean): string | undefined {
    try {
      const content = this.machine.read(file).trim();
      if (content !== "") {
        this.#checkSecret(`the content of ${name}`, content);
        return content;
      }
      this.warnings.push(`${name} ${file} is empty; it is read again when the platform refuses us`);
    } catch (error) {
      const why = messageOf(error);
      if (byDefault) this.warnings.push(`${file} cannot be read (${why}); there is no token until it can`);
      else this.refuse(name, file, `a file that this process can read (${why})`);
    }
    return undefined;
  }

  #checkSecret(name: string, value: string): void {
    // It becomes part of a header: RFC 9110 section 5.5.
    if (/^[\x21-\x7e]{1,8192}$/.test(value)) return;
    this.problems.push(
      `${name} is a value of ${value.length} characters (not shown); allowed: 1 to 8192 printable ASCII characters without spaces`,
    );
  }
}
