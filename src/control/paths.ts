/**
 * File names in control requests.
 *
 * Promise: a name means what it means where the command is given: the client makes it absolute (`absolutePolicy`,
 * `absolutePort`), and the server refuses relative ones (`checkPolicyPaths`, `checkPortPath`), whose meaning would
 * depend on where the forwarder happened to be started.
 */
import { isAbsolute, resolve } from 'node:path';
import { findKind, kindOf } from '../dataplane/ports/kinds.js';
import { parsePort } from '../dataplane/ports/port-spec.js';
import { UserError } from '../errors.js';

/** Keys of policies whose value is a file, by policy. */
const FILE_KEYS: Readonly<Record<string, string>> = { js: 'file', rss: 'ethtool' };

/** A name in a text whose parts are divided by commas. `-` is standard input. */
function absolute(place: string, path: string): string {
  if (path === '' || path === '-') return path;
  const full = resolve(path);
  if (full.includes(',') && !path.includes(',')) {
    throw new UserError(`${place}: ${full}: a path with a comma cannot be given here`);
  }
  return full;
}

/** Applies `change` to the file that a policy names, if any. */
function mapPolicy(given: string | object, change: (path: string) => string): string | object {
  if (typeof given === 'string') {
    const js = /^\s*js:([^,]*)/.exec(given);
    if (js !== null) return `js:${change(js[1]!)}${given.slice(js[0].length)}`;
    return given.replace(
      /([:,]\s*ethtool\s*=\s*)([^,]*?)(\s*)(?=,|$)/,
      (_, key: string, path: string, end: string) => `${key}${change(path)}${end}`,
    );
  }
  const { policy, name } = given as { policy?: unknown; name?: unknown };
  const key = FILE_KEYS[String(policy === undefined ? name : policy)];
  const path = key === undefined ? undefined : (given as Record<string, unknown>)[key];
  return typeof path === 'string' ? { ...given, [key!]: change(path) } : given;
}

/** The policy with its file named from the root. @throws UserError */
export function absolutePolicy(given: string | object): string | object {
  return mapPolicy(given, (path) => (typeof given === 'string' ? absolute('policy', path) : resolve(path)));
}

/** The port with its file named from the root; other ports, and what is no port, as they are. @throws UserError */
export function absolutePort(text: string): string {
  const [, head, kind, path] = /^([^=:,]+=([^:,]+):)([^,]*)/.exec(text) ?? [];
  if (head === undefined || findKind(kind!)?.files === undefined) return text;
  return head + absolute('port', path!) + text.slice(head.length + path!.length);
}

function refuseRelative(place: string, path: string): void {
  if (path === '' || path === '-' || isAbsolute(path)) return;
  throw new UserError(
    `${place}: ${path}: a running forwarder takes absolute paths only: it was started in another folder`,
  );
}

/** @throws UserError where a policy names a file by a relative path, or is itself to be read from one */
export function checkPolicyPaths(given: string | object): void {
  if (typeof given === 'string' && given.trim().startsWith('@')) {
    throw new UserError('policy: @FILE is read by who asks: give what it says');
  }
  mapPolicy(given, (path) => {
    refuseRelative('policy', path);
    return path;
  });
}

/** @throws UserError where a port names a file by a relative path */
export function checkPortPath(text: string): void {
  const spec = parsePort(text);
  const { read, written } = kindOf(spec).files?.(spec) ?? { read: [], written: [] };
  for (const path of [...read, ...written]) refuseRelative(`--port ${spec.name}`, path);
}
