/**
 * A source that notes what is read of it, so that it can be packed.
 *
 * Promise: gives what the source under it gives. Files are noted under their real paths, with the links that lead there,
 * so that the same questions get the same answers from the collection. Names of folders are noted as far as they are not
 * files themselves; of /proc only what was read.
 */
import { lstatSync, readlinkSync } from 'node:fs';
import type { EthtoolFacts, Statistics } from '../ask/ethtool-facts.js';
import type { NetdevFacts } from '../ask/netdev.js';
import { type Fact, known, map } from '../fact.js';
import { linesOf, type Source } from './source.js';
import { OWN } from './tree.js';

/** What was noted: a file's text, a link's target, or a name only. */
export type Noted =
  | { readonly kind: 'file'; readonly text: string }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'name' };

/** Notes what a running host is asked. */
export class Recorder implements Source {
  readonly isLive: boolean;
  readonly name: string;
  readonly #prefix: string;
  readonly #real = new Map<string, string>([['', '']]);

  /**
   * @param notes shared by the recorders of both readings
   * @param later the second reading: files go below `${OWN}/later`, by the paths that were asked
   */
  constructor(
    private readonly under: Source,
    private readonly notes: Map<string, Noted>,
    private readonly later = false,
  ) {
    this.isLive = under.isLive;
    this.name = under.name;
    this.#prefix = later ? `${OWN}/later` : '';
  }

  read(path: string): Fact<string> {
    const text = this.under.read(path);
    if (known(text))
      this.#note(this.later ? `${this.#prefix}${path}` : this.#walk(path), { kind: 'file', text });
    return text;
  }

  /** What is packed is read whole. */
  eachLine(path: string, see: (line: string) => void): Fact<true> {
    return map(this.read(path), (text) => linesOf(text, see));
  }

  list(path: string): Fact<string[]> {
    const names = this.under.list(path);
    if (known(names) && !this.later && path !== '/proc') {
      const at = this.#walk(path);
      for (const name of names) {
        // `lower_eth0` is a link whose name says all; others become files or folders when something below is read.
        if (!this.notes.has(`${at}/${name}`)) this.#note(`${at}/${name}`, { kind: 'name' });
      }
    }
    return names;
  }

  linkName(path: string): Fact<string> {
    const name = this.under.linkName(path);
    if (known(name) && !this.later) this.#walk(path, false);
    return name;
  }

  resolve(path: string): string | null {
    const real = this.under.resolve(path);
    if (real !== null && !this.later) this.#walk(path);
    return real;
  }

  netdev(): Fact<NetdevFacts> {
    const facts = this.under.netdev();
    if (known(facts)) this.#json(`${OWN}/netdev.json`, facts);
    return facts;
  }

  ethtool(device: string): Fact<EthtoolFacts> {
    const facts = this.under.ethtool(device);
    if (known(facts)) this.#json(`${OWN}/ethtool/${device}.json`, facts);
    return facts;
  }

  statistics(device: string): Fact<Statistics> {
    const values = this.under.statistics(device);
    if (known(values)) this.#json(`${OWN}/statistics/${device}.json`, values);
    return values;
  }

  answer(command: string): Fact<string> {
    const text = this.under.answer(command);
    const file = command.replaceAll(' ', '_').replaceAll('/', '.');
    if (known(text)) this.#note(`${this.#prefix}${OWN}/answers/${file}`, { kind: 'file', text });
    return text;
  }

  /** Notes a file of the doctor's own. */
  own(name: string, text: string): void {
    this.#note(`${this.#prefix}${OWN}/${name}`, { kind: 'file', text });
  }

  #json(path: string, value: unknown): void {
    this.#note(`${this.#prefix}${path}`, { kind: 'file', text: `${JSON.stringify(value)}\n` });
  }

  #note(path: string, what: Noted): void {
    this.notes.set(path, what);
  }

  /** The real path; links on the way are noted. @param last whether the last part is followed too */
  #walk(path: string, last = true): string {
    const parts = path.split('/').filter((part) => part !== '');
    let at = '';
    parts.forEach((part, i) => {
      at = this.#step(`${at}/${part}`, last || i < parts.length - 1);
    });
    return at;
  }

  #step(path: string, follow: boolean): string {
    const remembered = this.#real.get(path);
    if (remembered !== undefined && follow) return remembered;
    const target = targetOf(path);
    if (target === null) {
      this.#real.set(path, path);
      return path;
    }
    this.#note(path, { kind: 'link', target });
    if (!follow) return path;
    const real = this.under.resolve(path) ?? path;
    this.#real.set(path, real);
    // The target may be reached through more links.
    return target.startsWith('/') ? this.#walk(target) : real;
  }
}

function targetOf(path: string): string | null {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : null;
  } catch {
    // Gone meanwhile: then nothing below it was read either.
    return null;
  }
}
