/**
 * The kind `memory`: a traffic generator, or a sink.
 *
 * Promise: see `PortKind`.
 */
import { SMALL_FRAME_MAX } from '../../memory/layout.js';
import { form, type NamedPort, type PortKind } from '../kind.js';
import { choice, number, onOff } from '../options.js';
import type { MemorySourceOptions } from './options.js';

/** A traffic generator or a sink in memory. */
export interface MemoryPortSpec extends NamedPort {
  readonly kind: 'memory';
  /** The generator's options, or null for a sink. */
  readonly source: MemorySourceOptions | null;
  /** Transmit queues of a sink; 0 = one per worker. Fewer than workers means that they share it through a lock. */
  readonly txQueues: number;
  /** A sink that counts how old stamped frames are when they arrive. */
  readonly latency: boolean;
  /** A sink that copies every frame into a guest's receive queue, as vhost does. */
  readonly copy: boolean;
}

/** Most flows of one source: its templates take 64 bytes a flow and worker. */
const FLOWS_MAX = 1 << 20;
/** Shortest frame of a source, without FCS. */
const SIZE_MIN = 60;

const source = form({
  target: 'source',
  does: 'made packets',
  options: {
    flows: number({ ...{ least: 1, most: FLOWS_MAX, fallback: 64 }, does: 'flows of UDP' }),
    guests: number({ ...{ least: 1, most: 65_536, fallback: 8 }, does: 'destinations 02:00:00:00:00:01 …' }),
    size: number({
      ...{ least: SIZE_MIN, most: SMALL_FRAME_MAX, fallback: 60, words: { imix: 0 } },
      does: 'bytes of each frame; imix: 60, 590 and 1514 as 7 : 4 : 1',
    }),
    rate: number({
      ...{ least: 0, most: 1_000_000_000, fallback: 0 },
      does: 'frames a second; 0: as fast as they are taken',
    }),
    burst: number({
      ...{ least: 1, most: 1_000_000, fallback: 32 },
      does: 'frames that become due at once where there is a rate',
    }),
    packets: number({
      ...{ least: 0, most: Number.MAX_SAFE_INTEGER, fallback: 0 },
      does: 'frames in all; 0: endless',
    }),
    seed: number({ ...{ least: 0, most: 0xffff_ffff, fallback: 1 }, does: 'every choice comes from it' }),
    stamp: onOff(false, 'frames say when they were due, and have no UDP checksum', true),
    queues: number({ ...{ least: 1, most: 256, fallback: 1, rare: true }, does: 'receive queues' }),
    elephant: choice(
      ['none', 'flow', 'guest'],
      'none',
      'one flow, or the flows of one guest, have `share` of the frames',
      true,
    ),
    share: number({
      ...{ least: 1, most: 99, fallback: 50, rare: true, unit: 'PERCENT' },
      does: 'see `elephant`',
    }),
  },
  spec: (_, values, named): MemoryPortSpec => ({
    ...named,
    ...{ kind: 'memory', txQueues: 0, latency: false, copy: false },
    source: { target: 'source', ...values },
  }),
});

const sink = form({
  target: 'sink',
  does: 'counts what it gets',
  options: {
    queues: number({
      ...{ least: 1, most: 1024, fallback: 0, rare: true },
      does: 'transmit queues; by default one for each worker, fewer are shared through a lock',
    }),
    latency: onOff(false, 'counts the ages of stamped frames', true),
    copy: onOff(false, 'reads each frame, as a device does', true),
  },
  spec: (_, { queues, latency, copy }, named): MemoryPortSpec => ({
    ...named,
    ...{ kind: 'memory', source: null, txQueues: queues, latency, copy },
  }),
});

export const memoryKind: PortKind<MemoryPortSpec> = {
  name: 'memory',
  forms: [source, sink],
  needsAddon: false,
  capabilities: [],
  receives: (spec) => spec.source !== null,
  sends: (spec) => spec.source === null,
  ends: (spec) => spec.source !== null && spec.source.packets > 0,
  claims: () => [],
  open: new URL('./open.js', import.meta.url).href,
  attach: new URL('./attach.js', import.meta.url).href,
};
