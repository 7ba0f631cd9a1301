/**
 * The options of memory ports: `memory:source[,flows=,guests=,size=N|imix,rate=,burst=,packets=,seed=,
 * stamp=on|off,queues=,elephant=none|flow|guest,share=PERCENT]` and `memory:sink`.
 *
 * Promise: `parseMemoryOptions` returns plain data (it can be posted to a worker thread) or throws a UserError that
 * names the option and what is permitted. Runs on the main thread, once per port.
 */
import { UserError, unknownName } from '../../../errors.js';
import { SMALL_FRAME_MAX } from '../../memory/layout.js';

/** Most flows of one source: its templates take 64 bytes a flow and worker. */
export const MEMORY_FLOWS_MAX = 1 << 20;
/** Shortest and longest frame of a source, without FCS. */
export const MEMORY_SIZE_MIN = 60;
export const MEMORY_SIZE_MAX = SMALL_FRAME_MAX;

/** What a memory source generates. */
export interface MemorySourceOptions {
  readonly target: 'source';
  /** Flows, each with its own addresses and ports; default 64. */
  readonly flows: number;
  /** Destination MACs 02:00:00:00:00:01 …; flow f goes to guest f mod guests; default 8. */
  readonly guests: number;
  /** Bytes of every frame without FCS, or 0 = imix: 60, 590 and 1514 bytes as 7 : 4 : 1. Default 60. */
  readonly size: number;
  /** Frames a second; 0 = as fast as they are taken. */
  readonly rate: number;
  /** Frames that become due at once when a rate is set; default 32. */
  readonly burst: number;
  /** Frames in all; 0 = endless. */
  readonly packets: number;
  /** Every choice comes from it; default 1. */
  readonly seed: number;
  /** Receive queues; queue q is polled by worker q mod workers. Default 1. See `mix.ts`. */
  readonly queues: number;
  /** Who carries `share` per cent of the frames: flow 0, or all flows of guest 0; default none. */
  readonly elephant: 'none' | 'flow' | 'guest';
  /** Per cent; default 50. */
  readonly share: number;
  /** Frames say when they were due (see `latency.ts`) and have no UDP checksum. Default off. */
  readonly stamp: boolean;
}

export interface MemorySinkOptions {
  readonly target: 'sink';
}

export type MemoryOptions = MemorySourceOptions | MemorySinkOptions;

const SOURCE_OPTIONS = [
  'flows',
  'guests',
  'size',
  'rate',
  'burst',
  'packets',
  'seed',
  'stamp',
  'queues',
  'elephant',
  'share',
] as const;
const ELEPHANTS = ['none', 'flow', 'guest'] as const;

/** Option values as text, by name. */
export type OptionRecord = Map<string, string> | Readonly<Record<string, string>>;

function integer(name: string, text: string, least: number, most: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new UserError(`memory:source: ${name}="${text}" is not a whole number from ${least} to ${most}`);
  }
  return value;
}

/** Options of `memory:<target>`; see the interfaces for meaning and defaults. */
export function parseMemoryOptions(target: string, options: OptionRecord): MemoryOptions {
  const given = new Map(options instanceof Map ? options : Object.entries(options));
  if (target !== 'source' && target !== 'sink') throw unknownName('memory port', target, ['source', 'sink']);
  const known: readonly string[] = target === 'source' ? SOURCE_OPTIONS : [];
  for (const name of given.keys()) {
    if (known.includes(name)) continue;
    if (target === 'sink') throw new UserError(`memory:sink takes no options, "${name}" was given`);
    throw unknownName('option of memory:source', name, known);
  }
  if (target === 'sink') return { target };
  const take = (name: (typeof SOURCE_OPTIONS)[number], otherwise: number, least: number, most: number) => {
    const text = given.get(name);
    return text === undefined ? otherwise : integer(name, text, least, most);
  };
  const stamp = given.get('stamp') ?? 'off';
  if (stamp !== 'on' && stamp !== 'off') {
    throw new UserError(`memory:source: stamp="${stamp}" is neither on nor off`);
  }
  const elephant = ELEPHANTS.find((name) => name === (given.get('elephant') ?? 'none'));
  if (elephant === undefined) {
    throw unknownName('elephant of memory:source', given.get('elephant') ?? '', ELEPHANTS);
  }
  const size = given.get('size');
  if (size !== undefined && size !== 'imix' && !/^\d+$/.test(size)) {
    throw new UserError(
      `memory:source: size="${size}" is neither imix nor a number from ${MEMORY_SIZE_MIN} to ${MEMORY_SIZE_MAX}`,
    );
  }
  return {
    target,
    flows: take('flows', 64, 1, MEMORY_FLOWS_MAX),
    guests: take('guests', 8, 1, 65_536),
    size: size === 'imix' ? 0 : take('size', 60, MEMORY_SIZE_MIN, MEMORY_SIZE_MAX),
    rate: take('rate', 0, 0, 1_000_000_000),
    burst: take('burst', 32, 1, 1_000_000),
    packets: take('packets', 0, 0, Number.MAX_SAFE_INTEGER),
    seed: take('seed', 1, 0, 0xffff_ffff),
    stamp: stamp === 'on',
    queues: take('queues', 1, 1, 256),
    elephant,
    share: take('share', 50, 1, 99),
  };
}
