/**
 * Listening on a socket file that belongs to this process.
 *
 * Promise: what lies at `path` is never replaced, and a socket that appears there already listens, with mode 0600. What
 * is removed at the end is the file that was made here: where another one has taken its place, that one stays. Process
 * ids play no part, so instances in PID namespaces of their own can share a directory.
 *
 * How: the server listens under another name in the same directory, of which a second link is made at `path` (link(2)
 * replaces nothing); libuv removes the first name when it closes, whatever it is by then.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname, join } from 'node:path';

/** sockaddr_un.sun_path without its final zero. */
export const PATH_BYTES_MAX = 107;

/** Names of sockets that are about to be linked, and of files on their way out. */
export const PASSING_NAME = /^\.rxs-[0-9a-f]{8}$/;

function passingName(path: string): string {
  return join(dirname(path), `.rxs-${randomBytes(4).toString('hex')}`);
}

function inodeOf(path: string): string | null {
  const info = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return info === undefined ? null : `${info.dev}:${info.ino}`;
}

/** A socket file with what tells it from its successors. */
export interface SocketFile {
  readonly path: string;
  readonly inode: string;
}

/** The socket file at a path; null where there is none. */
export function socketFile(path: string): SocketFile | null {
  const inode = inodeOf(path);
  return inode === null ? null : { path, inode };
}

/** Removes the file unless another one has taken its place; true when it did. Never throws. */
export function removeSocket({ path, inode }: SocketFile): boolean {
  const aside = passingName(path);
  try {
    if (inodeOf(path) !== inode) return false;
    // Moved first and looked at again: between a look and an unlink another instance might have come.
    renameSync(path, aside);
    if (inodeOf(aside) === inode) {
      unlinkSync(aside);
      return true;
    }
    linkSync(aside, path);
    unlinkSync(aside);
  } catch {
    // Gone, or not ours to remove.
  }
  return false;
}

/** Listens, with mode 0600 from the first moment on. */
function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // The bind happens within the call, so nothing else sees this mask.
    const mask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}

/**
 * Lets a server listen at a path. Throws EEXIST where something lies there; the server can then be given another path.
 */
export async function listenAt(server: Server, path: string): Promise<SocketFile> {
  const first = (server.address() as string | null) ?? passingName(path);
  if (Buffer.byteLength(first) > PATH_BYTES_MAX) {
    // A path at the limit under a short name: there is no room for another one.
    await listen(server, path);
    return socketFile(path)!;
  }
  if (!server.listening) await listen(server, first);
  linkSync(first, path);
  const file = socketFile(path)!;
  unlinkSync(first);
  return file;
}
