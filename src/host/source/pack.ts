/**
 * Packs notes into an archive, packed by gzip.
 *
 * Promise: what the doctor reads of the archive is what it read of the host. With `secret`, MAC and IP addresses become
 * others, the same one always the same, that nobody without the secret can turn back; addresses that name nobody (zero,
 * broadcast, loopback) stay.
 */
import { createHmac } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { gzipSync } from 'node:zlib';
import { Header, Pax } from '../../vendor/tar.js';
import type { Noted } from './recorder.js';

const BLOCK = 512;

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;
const NOBODY = /^((00:){5}00|(ff:){5}ff|0\.0\.0\.0|127\..*|255\..*)$/i;

/** Addresses in a text become others. Each word is looked at once: what stands for one address is not taken for another. */
export function hideAddresses(text: string, secret: Uint8Array): string {
  const digest = (address: string) => createHmac('sha256', secret).update(address.toLowerCase()).digest();
  return text.replace(/[0-9a-f][0-9a-f:.]*[0-9a-f]/gi, (word, at: number) => {
    // A part of a longer word, such as the end of a name, is no address.
    if (/[\w]/.test(text[at - 1] ?? ' ') || /\w/.test(text[at + word.length] ?? ' ') || NOBODY.test(word))
      return word;
    if (MAC.test(word)) {
      // Locally administered, unicast.
      return `02:${digest(word).toString('hex', 0, 5).match(/../g)!.join(':')}`;
    }
    if (isIPv4(word)) return `10.${[...digest(word).subarray(0, 3)].join('.')}`;
    return isIPv6(word) ? `fd00::${digest(word).toString('hex', 0, 8).match(/.{4}/g)!.join(':')}` : word;
  });
}

/** Versions look like addresses: where they stand nothing is hidden. */
const PLAIN = /\/(osrelease|version|softnet_stat|interrupts|stat|softirqs|cpulist|rps_cpus|xps_cpus)$/;

function entry(path: string, noted: Noted, bytes: Buffer): Buffer[] {
  const type = noted.kind === 'link' ? 'SymbolicLink' : 'File';
  const data = {
    path: path.slice(1),
    mode: 0o644,
    size: bytes.length,
    mtime: new Date(0),
    type,
    ...(noted.kind === 'link' ? { linkpath: noted.target } : {}),
  } as const;
  const header = new Header(data);
  const parts: Buffer[] = [];
  if (header.encode()) parts.push(new Pax(data).encode());
  parts.push(header.block!, bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK));
  return parts;
}

/** The archive's bytes. @param secret null: addresses stay */
export function pack(notes: ReadonlyMap<string, Noted>, secret: Uint8Array | null): Buffer {
  const folders = new Set<string>();
  for (const path of notes.keys()) {
    for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1))
      folders.add(path.slice(0, cut));
  }
  const parts: Buffer[] = [];
  for (const [path, noted] of [...notes].sort(([a], [b]) => (a < b ? -1 : 1))) {
    // A name that turned out to be a folder is there by what is in it.
    if (noted.kind === 'name' && folders.has(path)) continue;
    const text = noted.kind === 'file' ? noted.text : '';
    const shown = secret === null || PLAIN.test(path) ? text : hideAddresses(text, secret);
    parts.push(...entry(path, noted, Buffer.from(shown)));
  }
  parts.push(Buffer.alloc(2 * BLOCK));
  return gzipSync(Buffer.concat(parts));
}
