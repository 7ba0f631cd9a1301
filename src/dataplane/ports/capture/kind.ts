/**
 * The kind `pcap`: a capture file, read or written.
 *
 * Promise: see `PortKind`.
 */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { UserError } from '../../../errors.js';
import { form, type NamedPort, type PortKind } from '../kind.js';
import { choice } from '../options.js';

/** A capture file, read or written. */
export interface CapturePortSpec extends NamedPort {
  readonly kind: 'pcap';
  readonly path: string;
  readonly mode: 'read' | 'write';
}

/** What a path leads to, as far as it exists. */
function sameFile(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

export const captureKind: PortKind<CapturePortSpec> = {
  name: 'pcap',
  forms: [
    form({
      target: 'FILE',
      targetIs: 'file',
      does: 'a capture',
      options: {
        mode: choice(['read', 'write'], 'read', 'read it, or make it'),
      },
      spec(target, { mode }, named, where) {
        if (target === '') throw new UserError(`${where}: pcap needs a file, e.g. pcap:in.pcap`);
        return { ...named, kind: 'pcap' as const, path: target, mode };
      },
    }),
  ],
  needsAddon: false,
  capabilities: [],
  receives: ({ mode }) => mode === 'read',
  sends: ({ mode }) => mode === 'write',
  ends: ({ mode }) => mode === 'read',
  claims: ({ path, mode }) => [
    { key: `file ${sameFile(path)}`, text: `file ${path}`, shared: mode === 'read' },
  ],
  files: ({ path, mode }) =>
    mode === 'read' ? { read: [path], written: [] } : { read: [], written: [path] },
  open: new URL('./open.js', import.meta.url).href,
  attach: new URL('./attach.js', import.meta.url).href,
};
