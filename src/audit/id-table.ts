/**
 * A map from ids to a few whole numbers that takes a fraction of the memory of a Map: a million ids in some 40 MB. Ids are kept as 128 bits
 * of their own (hashes, UUIDs) or of their SHA-256.
 */
import { sha256 } from "./record-hash.ts";

const KEY_WORDS = 4;
const FIRST_SLOTS = 1_024;
const FULL = 0.7;

export class IdTable {
  readonly #valueWords: number;
  readonly #width: number;
  #slots = FIRST_SLOTS;
  #words: Uint32Array;
  #count = 0;
  readonly #key = new Uint32Array(KEY_WORDS);

  /** `values`: how many numbers, each below 2^32, belong to an id; at least one of them must never be 0 together with the others. */
  constructor(values: number) {
    this.#valueWords = values;
    this.#width = KEY_WORDS + values;
    this.#words = new Uint32Array(this.#slots * this.#width);
  }

  get size(): number {
    return this.#count;
  }

  /** The index of the id's numbers in `words`, `undefined` where it is not in the table. Holds until the next `add`. */
  find(id: string): number | undefined {
    this.#read(id);
    const at = this.#slotOf(this.#words, this.#slots) * this.#width;
    return this.#isFree(this.#words, at) ? undefined : at + KEY_WORDS;
  }

  /** Adds an id that is not in the table. */
  add(id: string, ...values: number[]): void {
    if (this.#count >= this.#slots * FULL) this.#grow();
    this.#read(id);
    this.#put(this.#words, this.#slots, values);
    this.#count++;
  }

  get words(): Uint32Array {
    return this.#words;
  }

  /** Calls `visit` with the index of the numbers of each id, in no order. */
  each(visit: (at: number) => void): void {
    for (let at = 0; at < this.#words.length; at += this.#width)
      if (!this.#isFree(this.#words, at)) visit(at + KEY_WORDS);
  }

  #read(id: string): void {
    if (!this.#readHex(id)) this.#readHex(sha256(id));
  }

  /** Takes the first 128 bits; false where the id is not of hexadecimal digits, with or without the dashes of a UUID. */
  #readHex(id: string): boolean {
    let word = 0;
    let digits = 0;
    for (let at = 0; at < id.length; at++) {
      const code = id.charCodeAt(at);
      const isDigit = code >= 48 && code <= 57;
      if (isDigit || (code >= 97 && code <= 102)) {
        word = (word << 4) | (isDigit ? code - 48 : code - 87);
        digits++;
        if ((digits & 7) === 0) this.#key[(digits >> 3) - 1] = word;
        if (digits === KEY_WORDS * 8) return true;
      } else if (code !== 45) return false;
    }
    return false;
  }

  #isFree(words: Uint32Array, at: number): boolean {
    for (let word = KEY_WORDS; word < this.#width; word++) if (words[at + word] !== 0) return false;
    return true;
  }

  /** The slot of the key, or the free one where it belongs. */
  #slotOf(words: Uint32Array, slots: number): number {
    const [one = 0, two = 0, three = 0, four = 0] = this.#key;
    let slot = (one ^ two) & (slots - 1);
    for (;;) {
      const at = slot * this.#width;
      if (this.#isFree(words, at)) return slot;
      if (words[at] === one && words[at + 1] === two && words[at + 2] === three && words[at + 3] === four) return slot;
      slot = (slot + 1) & (slots - 1);
    }
  }

  #put(words: Uint32Array, slots: number, values: ArrayLike<number>): void {
    const at = this.#slotOf(words, slots) * this.#width;
    words.set(this.#key, at);
    for (let value = 0; value < this.#valueWords; value++) words[at + KEY_WORDS + value] = values[value] ?? 0;
  }

  #grow(): void {
    const slots = this.#slots * 2;
    const words = new Uint32Array(slots * this.#width);
    this.each((at) => {
      this.#key.set(this.#words.subarray(at - KEY_WORDS, at));
      this.#put(words, slots, this.#words.subarray(at, at + this.#valueWords));
    });
    this.#words = words;
    this.#slots = slots;
  }
}
