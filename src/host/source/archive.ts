/**
 * Lookup in a tar archive, packed by gzip or not.
 *
 * Promise: read once into memory; an archive with more than a collection has (256 MiB, packed or unpacked, 200,000
 * entries) is refused as a UserError, so that a wrong file costs no memory. Entries whose paths lead out, or are longer
 * than the kernel takes, are left out. Nothing is unpacked to a disk.
 */
import { readFileSync, statSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { UserError } from '../../errors.js';
import { fileFault } from '../../text-file.js';
import { Parser, type ReadEntry } from '../../vendor/tar.js';
import type { Lookup, Node } from './tree.js';

const BYTES_MAX = 256 << 20;
const ENTRIES_MAX = 200_000;
const PATH_MAX = 4096;

/** How archives begin that are packed by what is not read here, and what unpacks them. */
const PACKERS: readonly (readonly [magic: string, name: string, command: string])[] = [
  ['fd377a585a00', 'xz', 'xz -d'],
  ['28b52ffd', 'zstd', 'zstd -d'],
  ['425a68', 'bzip2', 'bzip2 -d'],
];

class Folder {
  readonly kind = 'folder';
  readonly children = new Set<string>();
  names = () => [...this.children];
}

/** `/a/b` of `./a/b/`; null for what leads out. */
function pathOf(name: string): string | null {
  if (name.length > PATH_MAX) return null;
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  return parts.includes('..') ? null : `/${parts.join('/')}`;
}

/** The bytes of a file, unpacked where they are packed. */
function bytesOf(file: string, place: string): Buffer {
  let bytes: Buffer;
  try {
    const stats = statSync(file);
    if (!stats.isFile()) throw new UserError(`${place}: no regular file`);
    if (stats.size > BYTES_MAX)
      throw new UserError(`${place}: larger than a collection: ${stats.size} bytes`);
    bytes = readFileSync(file);
  } catch (error) {
    throw error instanceof UserError ? error : new UserError(`${place}: ${fileFault(error)}`);
  }
  const packer = PACKERS.find(([magic]) => bytes.toString('hex', 0, magic.length / 2) === magic);
  if (packer !== undefined) {
    throw new UserError(
      `${place}: packed by ${packer[1]}, which is not read: unpack it first (${packer[2]} FILE)`,
    );
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: BYTES_MAX });
  } catch (error) {
    const isCut = (error as NodeJS.ErrnoException).code === 'Z_BUF_ERROR';
    const isLarge = error instanceof RangeError;
    const why = isCut ? 'cut off' : isLarge ? 'larger than a collection' : (error as Error).message;
    throw new UserError(`${place}: ${why}`);
  }
}

/** @throws UserError for what is no archive. */
export function archiveLookup(file: string, place: string): Lookup {
  const nodes = new Map<string, Node>();
  const root = new Folder();
  nodes.set('/', root);
  const folderAt = (path: string): Folder => {
    const found = nodes.get(path);
    if (found instanceof Folder) return found;
    const folder = new Folder();
    nodes.set(path, folder);
    attach(path);
    return folder;
  };
  const attach = (path: string): void => {
    const cut = path.lastIndexOf('/');
    folderAt(path.slice(0, cut) || '/').children.add(path.slice(cut + 1));
  };
  const problems: string[] = [];
  let entries = 0;
  const onEntry = (entry: ReadEntry): void => {
    const path = pathOf(entry.path);
    entries++;
    if (path === null || path === '/' || nodes.size > ENTRIES_MAX) {
      entry.resume();
      return;
    }
    if (entry.type === 'Directory') folderAt(path);
    else if (entry.type === 'SymbolicLink' || entry.type === 'Link') {
      const target = entry.linkpath ?? '';
      nodes.set(path, {
        kind: 'link',
        target: entry.type === 'Link' ? `/${target.replace(/^[./]+/, '')}` : target,
      });
      attach(path);
    } else {
      const parts: Buffer[] = [];
      entry.on('data', (part) => {
        parts.push(part as Buffer);
      });
      nodes.set(path, { kind: 'file', text: () => Buffer.concat(parts).toString() });
      attach(path);
      return;
    }
    entry.resume();
  };
  const parser = new Parser({
    strict: true,
    onReadEntry: onEntry,
    onwarn: (_code, message) => {
      problems.push(String(message));
    },
  });
  parser.on('error', (error: Error) => {
    problems.push(error.message);
  });
  parser.end(bytesOf(file, place));
  if (problems.length > 0) throw new UserError(`${place}: no tar archive: ${problems[0]!.split('\n')[0]}`);
  if (Math.max(entries, nodes.size) > ENTRIES_MAX) {
    throw new UserError(`${place}: more entries than a collection has (${ENTRIES_MAX})`);
  }
  if (nodes.size === 1) throw new UserError(`${place}: an archive without files`);
  return (path) => nodes.get(path) ?? null;
}
