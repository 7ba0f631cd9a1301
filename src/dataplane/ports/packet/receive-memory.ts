/**
 * How much of the kernel's memory the receive queues of all packet ports may hold, and each one's share of it.
 *
 * Promise: rings (which are there whether frames come or not) take a third of the total at most, frames that wait beside
 * them because they are longer than a slot the rest; a queue whose port names its own `ring` has that. No share is
 * smaller than what keeps a queue working (`LEAST`), so the total is exceeded where there are very many queues. Few
 * queues get no more than they can use (`MOST`).
 *
 * None of it is charged to a memory cgroup before frames lie in it: this is what bounds it.
 */

const SLOT_BYTES = 2048;
const MIB = 1 << 20;
/** Slots of a ring: 2 MiB and 16 MiB. */
const RING_LEAST = 1024;
const RING_MOST = 8192;
/** What a queue may hold beside its ring: some forty super-frames, and some 2,500. The kernel doubles SO_RCVBUF itself. */
const BUFFER_LEAST = 4 * MIB;
const BUFFER_MOST = 256 * MIB;

/** What one receive queue may hold. */
export interface ReceiveShare {
  /** Slots of its ring, a power of two. */
  readonly slots: number;
  /** SO_RCVBUF. */
  readonly bufferBytes: number;
}

/** The share of each of `queues` receive queues. */
export function receiveShare(totalMib: number, queues: number): ReceiveShare {
  const each = (totalMib * MIB) / Math.max(1, queues);
  const slots = 2 ** Math.floor(Math.log2(Math.max(1, each / 3 / SLOT_BYTES)));
  const buffer = Math.floor((each * 2) / 3);
  return {
    slots: Math.min(RING_MOST, Math.max(RING_LEAST, slots)),
    bufferBytes: Math.floor(Math.min(BUFFER_MOST, Math.max(BUFFER_LEAST, buffer)) / 2),
  };
}
