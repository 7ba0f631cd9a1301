/** Lookup in a folder of this machine: a tree that somebody unpacked, or the root of a host seen from a container. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { type Fact, unknown } from '../fact.js';
import { faultOf } from './faults.js';
import { eachLineOfFd, readFd } from './read-fd.js';
import type { Lookup } from './tree.js';

/** Read-only, and without waiting: what is a pipe or a device is not read. Links are not followed here. */
function reading<T>(path: string, read: (fd: number, size: number) => T): Fact<T> {
  let fd = -1;
  try {
    fd = openSync(
      path,
      constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | constants.O_NOFOLLOW,
    );
    const stats = fstatSync(fd);
    return stats.isFile() ? read(fd, stats.size) : unknown(`${path}: no file`);
  } catch (error) {
    return faultOf(error, path);
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

/** @param root the folder. */
export function folderLookup(root: string): Lookup {
  return (path) => {
    const real = path === '/' ? root : `${root}${path}`;
    try {
      // Most that is asked for is not there: an exception for each would be garbage by the megabyte.
      const stats = lstatSync(real, { throwIfNoEntry: false });
      if (stats === undefined) return null;
      if (stats.isSymbolicLink()) return { kind: 'link', target: readlinkSync(real) };
      if (stats.isDirectory()) {
        return {
          kind: 'folder',
          names: () => {
            try {
              return readdirSync(real);
            } catch (error) {
              return faultOf(error, path);
            }
          },
        };
      }
      return {
        kind: 'file',
        text: () => reading(real, readFd),
        lines: (see) => reading(real, (fd) => eachLineOfFd(fd, see)),
      };
    } catch {
      // Not there, or not for us: both are "not in the collection".
      return null;
    }
  };
}
