/**
 * Where control sockets are: one for each running forwarder, `/run/rxsteer/PID.sock` (`PID-2.sock` and so on for
 * instances in other PID namespaces that share the directory).
 *
 * Promise: the directory is 0700, belongs to this user and is used by nobody else, or it is refused; a socket on
 * which nobody listens any more is removed, one that is answered never is. Only local: there is no other way in.
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../errors.js';
import { PASSING_NAME, PATH_BYTES_MAX, removeSocket, socketFile } from './own-socket.js';
import { folderProblem, ownUser, socketProblem } from './trust.js';

/** The directory of sockets, for root. */
export const RUN_DIRECTORY = '/run/rxsteer';
/** A socket file younger than this may be about to be listened on. */
const YOUNG_MS = 2000;
/** Names of sockets: the process id, and a number where an instance of another PID namespace has the same. */
const SOCKET_NAME = /^(\d+)(?:-\d+)?\.sock$/;
/** Instances of one process id that can share a directory. */
const NAMES_MAX = 256;
/** Longest wait for a connection to a local socket. */
const CONNECT_MS = 2000;

/**
 * Where sockets may be, the first that can be made is used: root's directory, then this user's. `RXSTEER_RUN` names
 * another one instead of both.
 */
export function socketDirectories(): string[] {
  const { RXSTEER_RUN: given, XDG_RUNTIME_DIR: own } = process.env;
  if (given !== undefined && given !== '') return [given];
  return own === undefined || own === '' ? [RUN_DIRECTORY] : [RUN_DIRECTORY, join(own, 'rxsteer')];
}

/** Makes the directory, or says in one line why it cannot be used. */
function prepareDirectory(path: string): string | null {
  try {
    const outer = folderProblem(dirname(path));
    if (outer !== null) return `${path}: its folder is not to be trusted: ${outer}`;
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') return `${path}: ${code}`;
  }
  const info = lstatSync(path);
  if (!info.isDirectory()) return `${path}: not a directory`;
  if (info.uid !== ownUser()) return `${path}: belongs to user ${info.uid}`;
  // Who may write here could put another socket in the place of ours; nobody else has any business here.
  if ((info.mode & 0o077) !== 0) {
    return `${path}: others may enter it (mode ${(info.mode & 0o777).toString(8)}): chmod 700 ${path}`;
  }
  return null;
}

/** What a connection to a socket comes to: somebody listens, nobody does, or it can't be told. */
type Answer = 'alive' | 'dead' | 'unknown';

/** Tries a connection; nothing is sent. */
export function probeSocket(path: string): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (answer: Answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(CONNECT_MS, () => done('unknown'));
    socket.once('connect', () => done('alive'));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      done(error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? 'dead' : 'unknown');
    });
  });
}

function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true;
}

/** Whether there is a process of this id, whoever owns it. */
function isRunning(pid: number | null): boolean {
  if (pid === null) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Removes the sockets of instances that are gone; gives their paths. Never throws, never touches a live one's. */
export async function removeStale(directory: string): Promise<string[]> {
  const removed: string[] = [];
  for (const path of [...socketsIn(directory), ...socketsIn(directory, PASSING_NAME)]) {
    try {
      const file = socketFile(path);
      const made = statSync(path).mtimeMs;
      // Between its making and the first listen nobody answers yet; but its process is there.
      if (Date.now() - made < YOUNG_MS && isRunning(socketPid(path))) continue;
      if (file === null || (await probeSocket(path)) !== 'dead') continue;
      if (removeSocket(file)) removed.push(path);
    } catch {
      // Somebody else was faster, or it is not ours to remove.
    }
  }
  return removed;
}

function socketsIn(directory: string, names = SOCKET_NAME): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => names.test(name))
      .map((name) => join(directory, name))
      .filter(isSocket);
  } catch {
    return [];
  }
}

/** Directories of sockets that this user may not look into. */
export function closedDirectories(): string[] {
  return socketDirectories().filter((directory) => {
    try {
      readdirSync(directory);
      return false;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return code === 'EACCES' || code === 'EPERM';
    }
  });
}

/** Sockets of running instances. */
export async function liveSockets(): Promise<string[]> {
  // What is not to be trusted is not even connected to.
  const paths = socketDirectories()
    .flatMap((directory) => socketsIn(directory))
    .filter((path) => socketProblem(path) === null);
  const answers = await Promise.all(paths.map(probeSocket));
  return paths.filter((_, i) => answers[i] === 'alive');
}

/** Process id that a socket in one of our directories is named after, or null. */
export function socketPid(path: string): number | null {
  const match = SOCKET_NAME.exec(basename(path));
  return match === null ? null : Number(match[1]);
}

/** A path to listen on, or why there is none. */
export type SocketPlace = { readonly path: string } | { readonly problem: string };

/**
 * The path that this instance listens on. Removes what dead instances left there.
 * @param asked path given by the user; its directory must exist. @throws UserError where it cannot be used
 */
export async function placeSocket(asked: string | null): Promise<SocketPlace> {
  if (asked !== null) {
    if (Buffer.byteLength(asked) > PATH_BYTES_MAX) {
      throw new UserError(`--control ${asked}: a socket's path has at most ${PATH_BYTES_MAX} bytes`, {
        code: 'RXS_SOCKET',
      });
    }
    const there = lstatSync(asked, { throwIfNoEntry: false });
    const folder = dirname(asked);
    if (!existsSync(folder))
      throw new UserError(`--control ${asked}: there is no folder ${folder}`, { code: 'RXS_SOCKET' });
    const problem = folderProblem(folder);
    if (problem !== null)
      throw new UserError(`--control ${asked}: its folder is not to be trusted: ${problem}`, {
        code: 'RXS_SOCKET',
      });
    if (there === undefined) return { path: asked };
    if (!there.isSocket())
      throw new UserError(`--control ${asked}: exists and is not a socket`, { code: 'RXS_SOCKET' });
    const file = socketFile(asked);
    if (file !== null && !((await probeSocket(asked)) === 'dead' && removeSocket(file))) {
      throw new UserError(`--control ${asked}: another instance listens there`, { code: 'RXS_SOCKET' });
    }
    return { path: asked };
  }
  const problems: string[] = [];
  for (const directory of socketDirectories()) {
    const problem = prepareDirectory(directory);
    if (problem !== null) {
      problems.push(problem);
      continue;
    }
    await removeStale(directory);
    for (let n = 1; n <= NAMES_MAX; n++) {
      const path = join(directory, n === 1 ? `${process.pid}.sock` : `${process.pid}-${n}.sock`);
      const file = socketFile(path);
      // Another container may have a process of the same id: only an answer tells whether it lives.
      if (file === null || ((await probeSocket(path)) === 'dead' && removeSocket(file))) return { path };
    }
    problems.push(`${directory}: too many instances`);
  }
  return { problem: problems.join('; ') };
}
