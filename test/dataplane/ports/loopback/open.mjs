/** The main thread's side: pairs by name, and a plug that may be pulled and put in while engines run. */
import { LivePort, NO_DESCRIPTORS } from '#rxsteer/dataplane/ports/live-port.js';
import { RING_BYTES } from './data.mjs';

/** Rings and events of pairs, by name: of each queue and direction. */
const pairs = new Map();
/** Open ports by name. */
export const ports = new Map();

class LoopbackPort extends LivePort {
  /** 1 while somebody is there; where workers look when they attach. */
  words = new Int32Array(new SharedArrayBuffer(4));
  /** How often all workers have followed a change. */
  followed = 0;
  #host = null;
  #waiting = [];

  constructor(spec) {
    super();
    this.spec = spec;
    this.device = spec.pair;
    this.plugged = spec.plugged;
    this.state = spec.plugged ? 'up' : 'down';
    this.publish();
  }

  follow(host) {
    this.#host = host;
    this.frames = host.frames;
  }

  /** Puts the plug in, or pulls it; resolves when all workers have followed. */
  plug(on) {
    this.plugged = on;
    const done = new Promise((resolve) => this.#waiting.push(resolve));
    this.#host.changed();
    return done;
  }

  check() {
    const state = this.plugged ? 'up' : 'down';
    if (state === this.state) return { change: 'none', old: NO_DESCRIPTORS };
    this.state = state;
    return { change: 'descriptors', old: NO_DESCRIPTORS };
  }

  publish() {
    this.words[0] = this.plugged ? 1 : 0;
  }

  attached() {
    this.followed++;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  detail() {
    return { plugged: this.plugged, pair: this.spec.pair };
  }

  close() {
    ports.delete(this.spec.name);
  }
}

function openPair(native, { pair, queues }) {
  const there = pairs.get(pair);
  if (there !== undefined) return there;
  const lane = () => ({ ring: new SharedArrayBuffer(RING_BYTES), event: native.openEvent() });
  const lanes = () => Array.from({ length: queues }, lane);
  const made = { ends: [lanes(), lanes()], taken: new Set() };
  pairs.set(pair, made);
  return made;
}

export const opener = {
  open(spec, { native }) {
    const pair = openPair(native, spec);
    const end = pair.taken.has(0) ? 1 : 0;
    pair.taken.add(end);
    const live = new LoopbackPort(spec);
    ports.set(spec.name, live);
    return {
      live,
      parts: {
        rxQueues: spec.queues,
        txQueues: spec.queues,
        choosesQueue: true,
        finite: false,
        data: { receive: pair.ends[end], send: pair.ends[1 - end], words: live.words.buffer },
      },
      close() {
        live.close();
        pair.taken.delete(end);
        if (pair.taken.size > 0) return;
        for (const { event } of pair.ends.flat()) native.closeDescriptor(event);
        pairs.delete(spec.pair);
      },
    };
  },
};
