/**
 * Lookup in a tar archive, packed by gzip or not.
 *
 * Promise: read once into memory; entries beyond what a collection has (256 MiB unpacked, 200,000 entries) are refused as
 * a UserError, so that a wrong file costs no memory. Nothing is unpacked to a disk.
 */
import { readFileSync, statSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { UserError } from '../../errors.js';
import { fileFault } from '../../text-file.js';
import { Parser, type ReadEntry } from '../../vendor/tar.js';
import type { Lookup, Node } from './tree.js';

const BYTES_MAX = 256 << 20;
const ENTRIES_MAX = 200_000;

class Folder {
  readonly kind = 'folder';
  readonly children = new Set<string>();
  names = () => [...this.children];
}

/** `/a/b` of `./a/b/`; null for what leads out. */
function pathOf(name: string): string | null {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  return parts.includes('..') ? null : `/${parts.join('/')}`;
}

/** The bytes of a file, unpacked where they are packed. */
function bytesOf(file: string, place: string): Buffer {
  let bytes: Buffer;
  try {
    if (!statSync(file).isFile()) throw new UserError(`${place}: no regular file`);
    bytes = readFileSync(file);
  } catch (error) {
    throw error instanceof UserError ? error : new UserError(`${place}: ${fileFault(error)}`);
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: BYTES_MAX });
  } catch (error) {
    throw new UserError(`${place}: ${(error as Error).message}`);
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
  const onEntry = (entry: ReadEntry): void => {
    const path = pathOf(entry.path);
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
  if (nodes.size === 1) throw new UserError(`${place}: an archive without files`);
  return (path) => nodes.get(path) ?? null;
}
