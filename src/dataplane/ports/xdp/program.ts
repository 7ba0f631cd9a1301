/**
 * The XDP program of a port: loaded, attached for as long as its descriptor is open.
 *
 * Promise: a program that somebody else has attached is named and left alone. In the driver where that can do it, else in the
 * kernel's generic hook, with the reason. Main thread only.
 */
import type { LinkInfo, Native } from '../../../addon/native.js';
import { AttachType } from '../../../bpf/opcodes.js';
import { UserError } from '../../../errors.js';
import { SOCKETS } from '../../../programs/policy-program.js';
import type { ReadyProgram } from '../queue-steering.js';
import type { XdpPortSpec } from './kind.js';
import { needing } from './needs.js';

/** XDP_FLAGS_SKB_MODE, XDP_FLAGS_DRV_MODE. */
const GENERIC = 2;
const DRIVER = 4;

/** Why a driver refuses, by what the kernel answers. Source: `dev_xdp_attach`, veth_xdp_set. */
const REFUSALS: Readonly<Record<string, string>> = {
  EOPNOTSUPP: 'the driver has no XDP',
  ERANGE: 'the MTU is too large for XDP in the driver',
  EINVAL: 'the driver refuses XDP as the device is set up',
  ENOSPC: 'it has fewer receive queues than its far end transmit queues (ethtool -L)',
  ENOMEM: 'the driver has too few queues left',
};

/** A program that is attached. */
export interface AttachedProgram {
  readonly link: number;
  readonly xdp: 'driver' | 'generic';
  /** Why not in the driver; empty where it is. */
  readonly why: string;
}

/** @throws UserError where another program is attached to the interface */
export function refuseOthers(native: Native, { name, interface: device }: XdpPortSpec, link: LinkInfo): void {
  const { xdpProgram: id } = link;
  if (id === 0) return;
  const known = native.bpfProgramName(id);
  const who = known === '' ? `number ${id}` : `"${known}", number ${id}`;
  throw new UserError(
    `--port ${name}: ${device} has an XDP program already (${who}), which is left alone: take it away (ip link set dev ${device} xdp off, or end its program), or use af_packet:${device}`,
    { code: 'RXS_OPEN' },
  );
}

/** A program knows these sockets from now on, queue by queue. */
export function enterSockets(
  native: Native,
  { program, loaded }: ReadyProgram,
  sockets: readonly number[],
): void {
  const map = loaded.maps[program.maps.findIndex(({ name }) => name === SOCKETS)]!;
  for (const [number, fd] of sockets.entries()) {
    const words = new Uint32Array([number, fd]);
    native.updateBpfMap(map, new Uint8Array(words.buffer, 0, 4), new Uint8Array(words.buffer, 4, 4));
  }
}

/** Attaches a program. @throws Error where the kernel refuses it in either place */
export function attachProgram(native: Native, program: number, ifindex: number): AttachedProgram {
  try {
    return { link: native.linkBpf(program, ifindex, AttachType.xdp, DRIVER), xdp: 'driver', why: '' };
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    // Somebody else was faster; no right; no such device any more.
    if (!(code in REFUSALS)) throw error;
    const link = needing('link', () => native.linkBpf(program, ifindex, AttachType.xdp, GENERIC));
    return { link, xdp: 'generic', why: REFUSALS[code] ?? message };
  }
}
