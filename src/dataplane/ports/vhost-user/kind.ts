/**
 * The kind `vhost-user`: a guest's own virtio rings, which its VMM shares through a socket.
 *
 * Promise: see `PortKind`. Such a port exists without a guest: until one connects, and after it left, frames to it are
 * dropped as `portDown`.
 */
import { UserError } from '../../../errors.js';
import { floodOption } from '../flood-option.js';
import { form, type NamedPort, type PortKind } from '../kind.js';
import { choice, number, onOff } from '../options.js';

/** Longest path that fits into a socket's address (`sockaddr_un`). */
const PATH_MAX = 107;
/** Pairs of rings that a guest has at most; QEMU's own limit is higher, what fits a message's index is 128. */
const QUEUES_MAX = 128;

/** How the guest's ring is chosen that a frame is put into. */
export type GuestQueue = 'rss' | 'auto' | 'worker';

/** A guest behind a vhost-user socket. */
export interface VhostUserPortSpec extends NamedPort {
  readonly kind: 'vhost-user';
  readonly path: string;
  /** Who waits for the other: `server` listens, `client` connects. */
  readonly mode: 'server' | 'client';
  /** Pairs of rings that are offered. */
  readonly queues: number;
  readonly offload: boolean;
  readonly mergeable: boolean;
  readonly guestQueue: GuestQueue;
  /** Copies a second that floods from this port may cost; 0 = no limit, absent = the default. */
  readonly flood?: number;
}

/** What stands in the summary of such a port. */
export interface VhostUserDetail {
  readonly connected: boolean;
  /** Names of the virtio features that guest and port agreed on. */
  readonly features: readonly string[];
  /** Pairs of rings offered, and those that the guest has enabled. */
  readonly queues: number;
  readonly enabled: readonly number[];
  /** Bytes of the guest's memory. */
  readonly memory: number;
  /** `follow=guest`: which task reads which pair's ring, and the worker on whose CPU that runs (null: none). */
  readonly readers: readonly {
    readonly pair: number;
    readonly task: number;
    readonly worker: number | null;
  }[];
  /** The guest's MTU, where its front-end told it. */
  readonly mtu: number | null;
  /** Guests that came so far. */
  readonly connections: number;
  /** Guests that were sent away because of what they did. */
  readonly refused: number;
}

export const vhostUserKind: PortKind<VhostUserPortSpec, VhostUserDetail> = {
  name: 'vhost-user',
  forms: [
    form({
      target: 'PATH',
      targetIs: 'file',
      does: "a guest's own rings, by a socket",
      options: {
        mode: choice(['server', 'client'], 'server', 'listen at the socket, or connect to it'),
        queues: number({
          ...{ least: 1, most: QUEUES_MAX, fallback: 1 },
          does: 'pairs of rings that the guest may have',
        }),
        offload: onOff(true, 'super-frames and partial checksums pass as they are, if the guest agrees'),
        mergeable: onOff(true, 'a long frame may fill several buffers of the guest', true),
        'guest-queue': choice(
          ['rss', 'auto', 'worker'],
          'rss',
          'which of its rings a frame goes to: by a hash of its flow, the one on which the guest sent the flow last, or by the worker that sends it',
        ),
        flood: floodOption,
      },
      spec(target, { mode, queues, offload, mergeable, flood, ...others }, named, where) {
        if (target === '') throw new UserError(`${where}: vhost-user needs a path, e.g. vhost-user:vm0.sock`);
        if (Buffer.byteLength(target) > PATH_MAX)
          throw new UserError(`${where}: the path of a socket has ${PATH_MAX} bytes at most`);
        return {
          ...named,
          kind: 'vhost-user' as const,
          path: target,
          ...{ mode, queues, offload, mergeable, guestQueue: others['guest-queue'] },
          ...(flood === null ? {} : { flood }),
        };
      },
    }),
  ],
  needsAddon: true,
  knowsGuest: true,
  capabilities: [],
  receives: () => true,
  sends: () => true,
  ends: () => false,
  claims: ({ path }) => [{ key: `socket ${path}`, text: `socket ${path}`, shared: false }],
  open: new URL('./open.js', import.meta.url).href,
  attach: new URL('./attach.js', import.meta.url).href,
};
