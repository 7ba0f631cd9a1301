/**
 * Whom both ends of the control socket trust: this user and root, nobody else; but root's commands the service too, whose
 * user exists only while it runs.
 *
 * Promise: a folder or a socket of another user is never used, and the process at the other end is known by its user
 * (SO_PEERCRED), whatever the file's mode says by then. Where the addon is missing, owners and modes of files decide
 * alone.
 */
import { lstatSync, realpathSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { loadNative } from '../addon/native.js';

/** This user, as permissions are checked. */
export function ownUser(): number {
  return process.geteuid?.() ?? 0;
}

/** This user or root. */
export function isTrusted(user: number): boolean {
  return user === 0 || user === ownUser();
}

/** Folder of the service's socket (`RuntimeDirectory=` of packaging/rxsteer.service). */
export const SERVICE_DIRECTORY = '/run/rxsteer-service';

/**
 * The user to whom root has given a folder, which nobody but root could have made where it is; null where that is not so,
 * and for everybody but root.
 */
export function givenBy(folder: string): number | null {
  if (ownUser() !== 0) return null;
  try {
    const outer = lstatSync(dirname(folder));
    const { uid } = lstatSync(folder);
    return outer.isDirectory() && outer.uid === 0 && (outer.mode & 0o022) === 0 ? uid : null;
  } catch {
    return null;
  }
}

/** Whether a command may talk to what belongs to this user: its own, root's, or the service's where it is root. */
export function isTrustedOwner(user: number): boolean {
  return isTrusted(user) || user === givenBy(SERVICE_DIRECTORY);
}

/** Why files in a folder could be put there by somebody else, in a few words; null where they could not. */
export function folderProblem(folder: string): string | null {
  const info = statSync(folder);
  if (!isTrustedOwner(info.uid)) return `belongs to user ${info.uid}`;
  // Where all may write, as in /tmp, the sticky bit keeps them from replacing what is not theirs.
  if ((info.mode & 0o002) !== 0 && (info.mode & 0o1000) === 0) return 'everybody may write to it';
  return null;
}

/** Why a socket is not to be talked to, in one line; null where it may be, or where there is none. */
export function socketProblem(path: string): string | null {
  let real: string;
  try {
    real = realpathSync(path);
  } catch {
    // There is none: connecting says so.
    return null;
  }
  const { uid } = lstatSync(real);
  if (!isTrustedOwner(uid)) return `${path}: belongs to user ${uid}, whom this command does not trust`;
  const folder = dirname(real);
  const problem = folderProblem(folder);
  return problem === null ? null : `${path}: its folder ${folder} is not to be trusted: ${problem}`;
}

/** The user at the other end of a connected Unix socket; null where that cannot be told. */
export function peerUser(socket: Socket): number | null {
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd;
  const native = loadNative();
  if (native === null || fd === undefined || fd < 0) return null;
  try {
    return native.peerUser(fd);
  } catch {
    // It is gone already.
    return null;
  }
}

/** Whether the process at the other end is this user's or root's, as far as that can be told. */
export function isTrustedPeer(socket: Socket): boolean {
  const user = peerUser(socket);
  return user === null || isTrusted(user);
}
