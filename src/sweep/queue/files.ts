/**
 * Files of jobs as a worker has them.
 *
 * Promise: a file is used only if its content is the coordinator's, all of it; what was compared is compared again when
 * the file has changed. A file that is not there, or is another one, is a `Refusal`: some other worker may have it.
 */
import { type BigIntStats, statSync } from 'node:fs';
import { UserError } from '../../errors.js';
import { fetchCapture, isAddress } from './download.js';
import { contentDigest, type FileRef } from './job.js';

/** This worker cannot do a job; another one may. */
export class Refusal extends Error {}

/** `/from=/to`: where paths that begin so are here. */
export interface PathMap {
  readonly from: string;
  readonly to: string;
}

/** @throws UserError */
export function parseMap(text: string): PathMap {
  const at = text.indexOf('=');
  const [from, to] = [text.slice(0, at), text.slice(at + 1)];
  if (at < 1 || to === '' || !(from.startsWith('/') || isAddress(from))) {
    throw new UserError(`--map: "${text}": expected /from=/to, or /from=http://host/to`);
  }
  return { from: from.replace(/\/+$/, ''), to: to.replace(/\/+$/, '') };
}

/** A path as the first rule has it that takes it. */
export function mapped(path: string, maps: readonly PathMap[]): string {
  const rule = maps.find(({ from }) => path === from || path.startsWith(`${from}/`));
  return rule === undefined ? path : rule.to + path.slice(rule.from.length);
}

export interface FilesOptions {
  readonly maps: readonly PathMap[];
  readonly cache: string;
  readonly allowCode: boolean;
}

/** What tells whether a file has changed. */
const stateOf = ({ ino, size, mtimeNs, ctimeNs }: BigIntStats) => `${ino} ${size} ${mtimeNs} ${ctimeNs}`;

export class WorkerFiles {
  /** By path: the state in which its content was this one. */
  readonly #known = new Map<string, { state: string; content: Promise<string> }>();
  readonly #fetching = new Map<string, Promise<string>>();

  constructor(private readonly options: FilesOptions) {}

  /** Where the file is here. @throws Refusal */
  async local({ path, size, sha256, isCode }: FileRef): Promise<string> {
    if (isCode && !this.options.allowCode) {
      throw new Refusal(`${path}: is a program: workers run those only with --allow-js`);
    }
    const here = mapped(path, this.options.maps);
    try {
      if (isAddress(here)) return await this.#fetched(here, sha256, size);
      const found = await this.#content(here);
      if (found === sha256) return here;
    } catch (error) {
      if (error instanceof Refusal || !(error instanceof UserError)) throw error;
      throw new Refusal(error.message);
    }
    throw new Refusal(`${here}: has another content than on the coordinator`);
  }

  #content(path: string): Promise<string> {
    let state: string;
    try {
      const stats = statSync(path, { bigint: true });
      if (!stats.isFile()) throw new Refusal(`${path}: is not a regular file`);
      state = stateOf(stats);
    } catch (error) {
      if (error instanceof Refusal) throw error;
      throw new Refusal(
        `${path}: ${(error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : (error as Error).message}`,
      );
    }
    const known = this.#known.get(path);
    if (known?.state === state) return known.content;
    const content = contentDigest(path).then((found) => found.sha256);
    this.#known.set(path, { state, content });
    content.catch(() => this.#known.delete(path));
    return content;
  }

  async #fetched(address: string, sha256: string, size: number): Promise<string> {
    const name = `${address} ${sha256}`;
    // A second time where what was fetched has left the cache, or was spoilt there.
    for (const isLast of [false, true]) {
      let fetching = this.#fetching.get(name);
      if (fetching === undefined) {
        fetching = fetchCapture(address, this.options.cache, sha256, size);
        this.#fetching.set(name, fetching);
        fetching.catch(() => this.#fetching.delete(name));
      }
      const path = await fetching;
      const found =
        statSync(path, { throwIfNoEntry: false }) === undefined ? null : await this.#content(path);
      if (found === sha256) return path;
      this.#fetching.delete(name);
      if (isLast) break;
    }
    throw new Refusal(`${address}: has another content than on the coordinator`);
  }
}
