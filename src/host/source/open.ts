/**
 * Opens what `--root` names: a folder, or an archive.
 *
 * Promise: a tree whose `proc` or `sys` lies in its only folder (as sosreports are packed) is found there. What is neither
 * folder nor archive, or has neither `proc` nor `sys`, is a UserError of one line.
 */
import { statSync } from 'node:fs';
import { UserError } from '../../errors.js';
import { fileFault } from '../../text-file.js';
import { folderLookup } from './folder.js';
import { type Lookup, TreeSource } from './tree.js';

/** Where the host's files lie in a tree; null where there are none. */
function baseOf(lookup: Lookup): string | null {
  const holds = (base: string) =>
    ['proc', 'sys'].some((name) => {
      const kind = lookup(`${base}/${name}`)?.kind;
      return kind === 'folder' || kind === 'link';
    });
  if (holds('')) return '';
  const root = lookup('/');
  if (root?.kind !== 'folder') return null;
  const names = root.names();
  if (!Array.isArray(names)) return null;
  return names.map((name) => `/${name}`).find(holds) ?? null;
}

/** @param place names it in errors: `--root FILE` @throws UserError */
export async function openTree(path: string, place: string): Promise<TreeSource> {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    throw new UserError(`${place}: ${fileFault(error)}`);
  }
  // The reader of archives is loaded only where there is one.
  const lookup = isFolder
    ? folderLookup(path.replace(/\/+$/, '') || '/')
    : (await import('./archive.js')).archiveLookup(path, place);
  const base = baseOf(lookup);
  if (base === null) throw new UserError(`${place}: neither proc nor sys in it: no collection of a host`);
  return new TreeSource(path, lookup, base);
}
