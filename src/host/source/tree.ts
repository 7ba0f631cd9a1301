/**
 * A collected host: a folder or an archive with `proc` and `sys` in it, one that the doctor packed, or a sosreport.
 *
 * Promise: links are followed inside the tree and never lead out of it, absolute ones begin at its root. What is not in
 * it is `Unknown` ("not in the collection"), since nobody can tell whether the host had it.
 */
import { type EthtoolFacts, type Statistics, withUnknowns } from '../ask/ethtool-facts.js';
import type { NetdevFacts } from '../ask/netdev.js';
import { type Fact, known, map, unknown } from '../fact.js';
import { collectedEthtool, collectedNetdev, collectedStatistics } from './collected.js';
import { byName, linesOf, type Source } from './source.js';

/** An entry of a tree; links are not followed. */
export type Node =
  | {
      readonly kind: 'file';
      readonly text: () => Fact<string>;
      /** Line by line; absent: by its text. */
      readonly lines?: (see: (line: string) => void) => Fact<true>;
    }
  | { readonly kind: 'folder'; readonly names: () => Fact<string[]> }
  | { readonly kind: 'link'; readonly target: string };

/** Looks up an exact path (`/proc/stat`; `/` is the root), without following its last part. */
export type Lookup = (path: string) => Node | null;

/** Reads what `ethtool` printed (`ask/ethtool-text.ts`): loaded only where there is such text. */
export interface TextReader {
  ethtoolFromTexts(printed: (option: string) => Fact<string>): EthtoolFacts;
  statisticsFromText(text: string): Fact<Statistics>;
}

/** Where the doctor puts what is no file of the host. */
export const OWN = '/rxsteer';

/** Where sosreports keep what commands printed. */
const SOS_NETWORKING = '/sos_commands/networking';
const SOS_FOLDERS = ['/sos_commands/openvswitch', SOS_NETWORKING, '/sos_commands/host'];

/** As the kernel has them. */
const LINKS_MAX = 40;
const PATH_MAX = 4096;

/** Parts of a path, the first one last. */
function partsOf(path: string): string[] {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .reverse();
}

/** How sosreports write a command's line as a file's name. */
function fileNameOf(command: string): string {
  return command.replaceAll(' ', '_').replaceAll('/', '.');
}

/** Reads a tree by its lookup. */
export class TreeSource implements Source {
  readonly isLive = false;
  readonly #known = new Map<string, Node | null>();
  readonly #folders = new Map<string, string>([['/', '/']]);

  /**
   * @param base where the host's files lie in the tree; `` for the root itself
   * @param texts null: the tree has no text of `ethtool`
   * @param later the second sample lies under `${OWN}/later`: read from there first
   */
  constructor(
    readonly name: string,
    private readonly lookup: Lookup,
    private readonly base = '',
    private readonly texts: TextReader | null = null,
    private readonly later = false,
  ) {}

  /** The same tree at the time of its second sample; null where it has none. */
  secondSample(): TreeSource | null {
    const other = new TreeSource(this.name, this.lookup, this.base, this.texts, true);
    return this.#at(`${OWN}/later`) === null ? null : other;
  }

  read(path: string): Fact<string> {
    if (this.later) {
      const text = this.#text(`${OWN}/later${path}`);
      if (known(text)) return text;
    }
    return this.#text(path);
  }

  #text(path: string): Fact<string> {
    const node = this.#at(path);
    if (node === null) return unknown(`${path}: not in the collection`, 'absent');
    return node.kind === 'file' ? node.text() : unknown(`${path}: no file`);
  }

  eachLine(path: string, see: (line: string) => void): Fact<true> {
    const later = this.later ? this.#at(`${OWN}/later${path}`) : null;
    const node = later?.kind === 'file' ? later : this.#at(path);
    if (node?.kind === 'file' && node.lines !== undefined) return node.lines(see);
    return map(this.read(path), (text) => linesOf(text, see));
  }

  list(path: string): Fact<string[]> {
    const node = this.#at(path);
    if (node === null) return unknown(`${path}: not in the collection`, 'absent');
    if (node.kind !== 'folder') return unknown(`${path}: no folder`);
    const names = node.names();
    return known(names) ? [...names].sort(byName) : names;
  }

  linkName(path: string): Fact<string> {
    const cut = path.lastIndexOf('/');
    const folder = this.resolve(path.slice(0, cut) || '/');
    const node = folder === null ? null : this.#node(join(folder, path.slice(cut + 1)));
    if (node === null) return unknown(`${path}: not in the collection`, 'absent');
    if (node.kind !== 'link') return unknown(`${path}: no link`);
    return node.target.slice(node.target.lastIndexOf('/') + 1);
  }

  /**
   * Every folder is walked to once: a host has thousands of files under the same few links. A link is followed step by
   * step, with one account of links for all of its way, as the kernel does: links that double, or a way of a million
   * parts, end.
   */
  resolve(path: string): string | null {
    if (path === '') return '/';
    const remembered = this.#folders.get(path);
    if (remembered !== undefined) return remembered;
    const cut = path.lastIndexOf('/');
    const folder = this.resolve(path.slice(0, cut));
    const result = folder === null ? null : this.#walk(folder, path.slice(cut + 1));
    if (result !== null && this.#known.get(result)?.kind === 'folder') this.#folders.set(path, result);
    return result;
  }

  /** @param at a folder, all links followed */
  #walk(at: string, path: string): string | null {
    let here = at;
    let links = 0;
    // The next part is the last.
    const left = partsOf(path);
    for (let part = left.pop(); part !== undefined; part = left.pop()) {
      if (part === '..') {
        here = here.slice(0, here.lastIndexOf('/')) || '/';
        continue;
      }
      const next = join(here, part);
      const node = next.length > PATH_MAX ? null : this.#node(next);
      if (node === null) return null;
      if (node.kind !== 'link') {
        // Below a file there is nothing.
        if (node.kind === 'file' && left.length > 0) return null;
        here = next;
        continue;
      }
      links++;
      if (links > LINKS_MAX || node.target.length > PATH_MAX) return null;
      if (node.target.startsWith('/')) here = '/';
      left.push(...partsOf(node.target));
    }
    return here;
  }

  #node(path: string): Node | null {
    const remembered = this.#known.get(path);
    if (remembered !== undefined) return remembered;
    const node = this.lookup(`${this.base}${path === '/' ? '' : path}` || '/');
    // Files are read once or twice; there are thousands, and few folders and links.
    if (node !== null && node.kind !== 'file') this.#known.set(path, node);
    return node;
  }

  #at(path: string): Node | null {
    const real = this.resolve(path);
    return real === null ? null : this.#node(real);
  }

  netdev(): Fact<NetdevFacts> {
    return this.#json(`${OWN}/netdev.json`, collectedNetdev);
  }

  ethtool(device: string): Fact<EthtoolFacts> {
    const own = this.#json(`${OWN}/ethtool/${device}.json`, collectedEthtool);
    if (known(own)) return withUnknowns(own, 'not in the collection');
    if (own.because !== 'absent') return own;
    return this.texts === null
      ? unknown(`ethtool ${device}: not in the collection`, 'absent')
      : this.texts.ethtoolFromTexts((option) => this.#printed(option.replace('DEV', device)));
  }

  statistics(device: string): Fact<Statistics> {
    const own = this.#json(`${OWN}/statistics/${device}.json`, collectedStatistics);
    if (known(own) || this.texts === null) return own;
    return map(this.#printed(`-S ${device}`), this.texts.statisticsFromText);
  }

  /** What `ethtool WORDS` printed. */
  #printed(words: string): Fact<string> {
    for (const folder of [SOS_NETWORKING, `${OWN}/ethtool`]) {
      const text = this.read(`${folder}/ethtool_${fileNameOf(words)}`);
      if (known(text)) return text;
    }
    return unknown(`ethtool ${words}: not in the collection`, 'absent');
  }

  answer(command: string): Fact<string> {
    for (const folder of [`${OWN}/answers`, ...SOS_FOLDERS]) {
      const text = this.read(`${folder}/${fileNameOf(command)}`);
      if (known(text)) return text;
    }
    return unknown(`${command}: not in the collection`, 'absent');
  }

  #json<T>(path: string, checked: (value: object, path: string) => Fact<T>): Fact<T> {
    const text = this.read(path);
    if (!known(text)) return text;
    try {
      const value = JSON.parse(text) as unknown;
      return typeof value === 'object' && value !== null
        ? checked(value, path)
        : unknown(`${path}: no object`);
    } catch {
      return unknown(`${path}: not JSON`);
    }
  }
}

function join(folder: string, name: string): string {
  return folder === '/' ? `/${name}` : `${folder}/${name}`;
}
