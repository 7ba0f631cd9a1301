/**
 * What a NIC has to be set to for a policy: the steps of `ethtool`, each with what takes it back.
 *
 * Promise: a step knows its place in the order that works: channels (drivers make the table anew), features, fields, key
 * and function, table, contexts, rules that name them. Pure.
 */
import { quoted } from '../../host/remedy.js';

/** A command and its undo; null: nothing was read that it could go back to. */
export interface Step {
  readonly command: string;
  readonly undo: string | null;
}

/** Steps of one device. */
export class Steps {
  readonly #name: string;
  readonly #steps: Step[] = [];

  constructor(device: string) {
    this.#name = device === '$DEV' ? '"$DEV"' : quoted(device);
  }

  /** `ethtool FLAG DEV WORDS`. @param undo words that take it back, `''` where nothing is to be taken back */
  add(flag: string, words: string, undo: string | null, undoFlag = flag): void {
    const line = (f: string, w: string) => `ethtool ${f} ${this.#name} ${w}`;
    this.#steps.push({ command: line(flag, words), undo: undo ? line(undoFlag, undo) : undo });
  }

  /** A line for people. */
  say(text: string): void {
    this.#steps.push({ command: `# ${text}`, undo: '' });
  }

  get commands(): string[] {
    return this.#steps.map(({ command }) => command);
  }

  /** In reverse; lines that are empty are left out, and what cannot be undone is left out too (see `lacksUndo`). */
  get undo(): string[] {
    return this.#steps.flatMap(({ undo }) => (undo === null || undo === '' ? [] : [undo])).reverse();
  }

  /** Commands that nothing takes back. */
  get lacksUndo(): string[] {
    return this.#steps.flatMap(({ command, undo }) => (undo === null ? [command] : []));
  }
}
