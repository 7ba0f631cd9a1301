/**
 * What pcap and pcapng have in common for this program: link types, limits, and the batch that readers fill.
 *
 * Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, the link-type registry at tcpdump.org/linktypes.html.
 */
import { UserError } from '../errors.js';

/** Link types that can be read (DLT numbers 12 and 14 are raw IP of the BSDs). */
export const LinkType = {
  ethernet: 1,
  rawBsd: 12,
  rawOpenBsd: 14,
  raw: 101,
  cooked: 113,
  ipv4: 228,
  ipv6: 229,
  cooked2: 276,
} as const;

const SUPPORTED: ReadonlySet<number> = new Set(Object.values(LinkType));

const OTHER_NAMES: Readonly<Record<number, string>> = {
  0: 'null/loopback',
  9: 'PPP',
  105: 'IEEE 802.11',
  108: 'OpenBSD loopback',
  127: 'IEEE 802.11 radiotap',
  147: 'user 0',
  189: 'USB',
  220: 'USB',
  249: 'USB',
};

export function isSupportedLinkType(linkType: number): boolean {
  return SUPPORTED.has(linkType);
}

/** `link type 0 (null/loopback) is not supported; permitted: …` */
export function linkTypeProblem(linkType: number): string {
  const name = OTHER_NAMES[linkType];
  return (
    `link type ${linkType}${name === undefined ? '' : ` (${name})`} is not supported; permitted: Ethernet (1), ` +
    'raw IP (12, 14, 101, 228, 229), Linux cooked (113, 276)'
  );
}

/** Longest packet that is believed: libpcap's largest snapshot length. */
export const PACKET_BYTES_MAX = 262_144;
/** Longest header block (section, interface) of a pcapng file that is believed. */
export const HEADER_BLOCK_MAX = 1 << 20;
/** Interfaces of one pcapng section at most. */
export const INTERFACES_MAX = 65_536;

/**
 * Which way a packet went, as the file states it: pcapng in the packet's flags (values as there), Linux cooked captures
 * in the packet type (see `directionOf`).
 */
export const Direction = { unknown: 0, received: 1, sent: 2 } as const;

/** Packets in one batch at most. */
export const BATCH_MAX = 256;

/**
 * Packets read together: parallel arrays, indices 0 … n-1. The reader owns one batch and fills it again: it is valid
 * until the next one is asked for.
 */
export class CaptureBatch {
  n = 0;
  /** The reader's window; replaced when it grows, so read it anew for every batch. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Offset of the packet in `bytes`, at the start of its link-layer header. */
  readonly off = new Int32Array(BATCH_MAX);
  /** Bytes captured. */
  readonly len = new Int32Array(BATCH_MAX);
  /** Bytes on the wire, without an FCS; never less than `len`. */
  readonly original = new Float64Array(BATCH_MAX);
  /** Bytes of an FCS that the stated length on the wire has in it. */
  readonly fcs = new Int32Array(BATCH_MAX);
  readonly linkType = new Int32Array(BATCH_MAX);
  /** `Direction` as pcapng states it; `directionOf` gives that of cooked packets too. */
  readonly direction = new Uint8Array(BATCH_MAX);
  /** Some packet's `direction` is or was stated; stays true. */
  stated = false;
  /** Timestamp: whole seconds since 1970 and nanoseconds. Both 0 for simple packet blocks, which have none. */
  readonly seconds = new Float64Array(BATCH_MAX);
  readonly nanoseconds = new Int32Array(BATCH_MAX);
}

/** What readers tell about a capture, growing while it is read. */
export interface CaptureStatus {
  /** Packets given so far. */
  packets: number;
  /** Packets of unsupported link types or undeclared interfaces, left out. */
  skipped: number;
  /** One line about damage (cut off, impossible length, packets left out), or null. */
  warning: string | null;
}

/**
 * A one-line UserError about a file that cannot be opened, read or written.
 * @param use what was tried: a file that is written need not be there, but its folder
 */
export function fileProblem(name: string, error: unknown, use: 'read' | 'write' = 'read'): UserError {
  const code = (error as NodeJS.ErrnoException).code;
  const reasons: Record<string, string> = {
    ENOENT: use === 'read' ? 'no such file' : 'its folder does not exist',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EISDIR: 'is a directory',
    ENOTDIR: 'part of the path is not a directory',
    ENOSPC: 'no space left on the device',
    EROFS: 'the file system is read-only',
    EIO: 'input/output error',
  };
  const message = (error as Error).message?.split('\n')[0] ?? String(error);
  return new UserError(`${name}: ${(code !== undefined && reasons[code]) || message}`, {
    code: use === 'read' ? 'RXS_FILE' : 'RXS_OUTPUT',
  });
}
