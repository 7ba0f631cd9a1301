/** What stands for memory ports in a warm-up: sources that give other frames than their own. Promise: see `PracticePorts`. */
import type { Native } from '../../../addon/native.js';
import type { Receiver } from '../port.js';
import { type FrameSource, type PracticeParts, type PracticePorts, SHAPES } from '../practice.js';
import { STATE_WORDS } from '../state.js';
import type { MemoryData } from './data.js';
import { divideSource, placeInTurn } from './mix.js';
import { NativeMemorySource } from './native-source.js';
import type { MemorySourceOptions } from './options.js';
import { MemorySink } from './sink.js';

/** Words of a bound memory source's `call`: frames wanted, frames made. */
const WANTED = 0;
const MADE = 1;

/** One flow, no end, no rate. */
const OPTIONS: MemorySourceOptions = {
  target: 'source',
  flows: 1,
  guests: 1,
  size: 60,
  rate: 0,
  burst: 1,
  packets: 0,
  seed: 1,
  queues: 1,
  elephant: 'none',
  share: 1,
  stamp: false,
};

/** The k-th memory source: it gives `frames` instead of its own. */
function sourceOf(k: number, frames: FrameSource, { pool, worker, arrays }: PracticeParts): Receiver {
  const native: Pick<Native, 'bindMemorySource' | 'monotonic' | 'releaseBound'> = {
    bindMemorySource: (_options, _pool, _arrays, _state, call) => {
      const make = () => {
        call[MADE] = frames.receive(call[WANTED]!);
      };
      return k % 2 === 0 ? () => make() : () => make();
    },
    monotonic: () => 0,
    releaseBound: () => {},
  };
  const part = divideSource(OPTIONS, placeInTurn(OPTIONS))[0]!;
  const state = new Int32Array(STATE_WORDS);
  return new NativeMemorySource(native as Native, OPTIONS, 0, pool, worker, arrays, state, part);
}

/** Without the addon the source makes its frames here: those stand-ins would not be of its class. */
export const memoryPractice: PracticePorts<MemoryData> = {
  receivers(parts, _port, frames) {
    return Array.from({ length: SHAPES }, (_, k) => sourceOf(k, frames, parts));
  },

  sender() {
    return new MemorySink();
  },
};
