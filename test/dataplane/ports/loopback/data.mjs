/**
 * What both sides of a loopback port know: a ring of frames in shared memory for each direction.
 *
 * Layout of a ring: head, tail, "an event is pending", then the slots: length, bytes. One producer and one consumer at a
 * time: senders are told by the engine to take a lock.
 */
export const SLOTS = 4096;
export const SLOT_BYTES = 2048;
export const HEAD = 0;
export const TAIL = 1;
export const SIGNALLED = 2;
const HEADER_BYTES = 64;

export const RING_BYTES = HEADER_BYTES + SLOTS * (SLOT_BYTES + 4);

/** Words, lengths and bytes of a ring. */
export function viewRing(ring) {
  return {
    words: new Int32Array(ring, 0, 16),
    lengths: new Int32Array(ring, HEADER_BYTES, SLOTS),
    bytes: new Uint8Array(ring, HEADER_BYTES + 4 * SLOTS),
  };
}
