/**
 * Captures behind `http://` and `https://`, kept in a folder by their content.
 *
 * Promise: a file in the cache is whole: it is written beside and renamed. What is known by its SHA-256 is fetched once;
 * what is known by its address only is asked for again, with the ETag that came with it. Addresses with a name or
 * password are refused.
 */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileProblem } from '../../capture/format.js';
import { UserError } from '../../errors.js';
import { makeFolder } from '../../text-file.js';
import { contentDigest } from './job.js';

/** Whether a capture is named by an address. */
export function isAddress(name: string): boolean {
  return /^https?:\/\//i.test(name);
}

/** `--cache`, or where programs keep such things. */
export function cacheFolder(given: string | undefined): string {
  return given ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'rxsteer');
}

function checked(address: string): URL {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new UserError(`${address}: is no address`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new UserError(`a capture at ${url.host}: an address with a name or password is not taken`);
  }
  return url;
}

/** What of an error of `fetch` says something. */
function fetchFault(error: unknown): string {
  const { cause, message } = error as Error & { cause?: Error };
  return (cause?.message || message).split('\n')[0]!;
}

let downloads = 0;

interface Known {
  readonly etag: string;
  readonly sha256: string;
}

/** The note beside the cache of what came from an address. */
function readKnown(path: string, folder: string): Known | null {
  try {
    const { etag, sha256 } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    if (typeof etag !== 'string' || !/^[0-9a-f]{64}$/.test(String(sha256))) return null;
    statSync(join(folder, String(sha256)));
    return { etag, sha256: String(sha256) };
  } catch {
    return null;
  }
}

/**
 * The local copy of what is behind an address.
 * @param sha256 its content, where it is known
 * @param most bytes at most; what has more is refused
 * @throws UserError
 */
export async function fetchCapture(
  address: string,
  cache: string,
  sha256: string | null = null,
  most = Number.POSITIVE_INFINITY,
): Promise<string> {
  const url = checked(address);
  const folder = join(cache, 'captures');
  const known = join(folder, `${createHash('sha256').update(address).digest('hex')}.json`);
  const beside = join(folder, `${process.pid}.${downloads++}.tmp`);
  try {
    makeFolder(folder);
  } catch (error) {
    throw fileProblem(folder, error, 'write');
  }
  if (sha256 !== null) {
    const kept = join(folder, sha256);
    const there = statSync(kept, { throwIfNoEntry: false })?.isFile() === true;
    if (there && (await contentDigest(kept)).sha256 === sha256) return kept;
  }
  const before = sha256 === null ? readKnown(known, folder) : null;
  let response: Response;
  try {
    response = await fetch(url, before === null ? {} : { headers: { 'if-none-match': before.etag } });
  } catch (error) {
    throw new UserError(`${address}: ${fetchFault(error)}`, { code: 'RXS_FILE' });
  }
  if (response.status === 304 && before !== null) {
    await response.body?.cancel();
    return join(folder, before.sha256);
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new UserError(`${address}: the server says ${response.status} ${response.statusText}`.trim(), {
      code: 'RXS_FILE',
    });
  }
  let bytes = 0;
  const hash = createHash('sha256');
  const counting = new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length;
      hash.update(chunk);
      done(bytes > most ? new Error(`has more than the ${most} bytes that it should have`) : null, chunk);
    },
  });
  try {
    // Opened first: a stream that fails before it has opened its file would make it after it was removed.
    const file = await open(beside, 'wx');
    await pipeline(Readable.fromWeb(response.body as never), counting, file.createWriteStream());
    const digest = hash.digest('hex');
    renameSync(beside, join(folder, digest));
    const etag = response.headers.get('etag');
    if (etag !== null) writeFileSync(known, JSON.stringify({ etag, sha256: digest }));
    return join(folder, digest);
  } catch (error) {
    rmSync(beside, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EACCES') throw fileProblem(folder, error, 'write');
    throw new UserError(`${address}: ${fetchFault(error)}`, { code: 'RXS_FILE' });
  }
}
