/**
 * Opens what `--root` names: a folder, or an archive.
 *
 * Promise: a tree whose `proc` or `sys` lies in one of its folders (as sosreports are packed) is found there. What is
 * neither folder nor archive, has neither `proc` nor `sys`, or has several such folders, is a UserError of one line.
 */
import { statSync } from 'node:fs';
import { UserError } from '../../errors.js';
import { fileFault } from '../../text-file.js';
import { folderLookup } from './folder.js';
import { type Lookup, OWN, TreeSource } from './tree.js';

/** Where the host's files may lie in a tree. */
function basesOf(lookup: Lookup): string[] {
  const holds = (base: string) =>
    ['proc', 'sys'].some((name) => {
      const kind = lookup(`${base}/${name}`)?.kind;
      return kind === 'folder' || kind === 'link';
    });
  if (holds('')) return [''];
  const root = lookup('/');
  if (root?.kind !== 'folder') return [];
  const names = root.names();
  if (!Array.isArray(names)) return [];
  return names
    .sort()
    .map((name) => `/${name}`)
    .filter(holds);
}

/** Whether outputs of `ethtool` may be in the tree. */
function hasTexts(lookup: Lookup, base: string): boolean {
  if (lookup(`${base}/sos_commands`) !== null) return true;
  const own = lookup(`${base}${OWN}/ethtool`);
  const names = own?.kind === 'folder' ? own.names() : [];
  return Array.isArray(names) && names.some((name) => name.startsWith('ethtool_'));
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
  const [base, another] = basesOf(lookup);
  if (base === undefined)
    throw new UserError(`${place}: neither proc nor sys in it: no collection of a host`);
  if (another !== undefined) {
    throw new UserError(
      `${place}: several hosts in it: name one, such as ${base.slice(1)} or ${another.slice(1)}`,
    );
  }
  const texts = hasTexts(lookup, base) ? await import('../ask/ethtool-text.js') : null;
  return new TreeSource(path, lookup, base, texts);
}
