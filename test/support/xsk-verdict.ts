/** What xsk-send.mjs must print. */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

export const XSK_SEND = fileURLToPath(new URL('xsk-send.mjs', import.meta.url));

/**
 * Queues of the device and, of each, the kernel as it is (`probe`) and taken for one that tells late what it has sent.
 * The kernel takes 32 frames a call: the device refuses one in the middle of a call, as the first of the second call,
 * as the first of all, and the last.
 */
export const FULL_CASES = [40, 32, 1, 63].flatMap((queue) => [
  [queue, 'probe'] as const,
  [queue, 'late'] as const,
]);

/** Plain frames through the AF_XDP socket, those with a virtio-net header through the packet socket. */
export function expectBoth(output: string): void {
  expect(JSON.parse(output)).toEqual({ sent: 8, results: Array(8).fill(0), xsk: 6, packet: 2 });
}

/**
 * Nothing that JavaScript writes to the staging memory keeps a frame from going; a socket with memory that is not its
 * own, and a number that is no AF_XDP socket, are not used at all: then the packet socket has everything.
 */
export function expectScribble(output: string): void {
  expect(JSON.parse(output)).toEqual({
    answers: Array(6).fill(64),
    taken: 6 * 64,
    others: Array(4).fill(64),
    elsewhere: 4 * 64,
    sameNumber: true,
    refused: 'fd is no AF_XDP socket of this process',
  });
}

/** Each frame has gone one way, once, in order; the socket is used again as soon as the device takes frames again. */
export function expectFull(output: string, queue: number): void {
  const steps = JSON.parse(output) as { read: number[]; elsewhere: number }[];
  const bursts = [6400, 20, 64, 64, 20, 64];
  let from = 0;
  for (const [step, sent] of bursts.entries()) {
    const { read, elsewhere } = steps[step]!;
    const context = `step ${step}: ${JSON.stringify(steps[step])}`;
    // The first ones, each once, and all others elsewhere.
    expect(read, context).toEqual(Array.from({ length: read.length }, (_, i) => from + i));
    expect(read.length + elsewhere, context).toBe(sent);
    // The TAP's ring gives places back in batches of a few.
    expect(read.length, context).toBeGreaterThan(Math.min(sent, queue) - (step === 0 ? 1 : 8));
    from += sent;
  }
  expect(steps).toHaveLength(bursts.length);
}
