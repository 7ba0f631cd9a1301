/** The warm-up of a worker: nobody notices it, and code that it has compiled stays good. */

import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RECEIVE_STATUS_WORDS } from '#rxsteer/addon/native.js';
import { engineDefaults, planEngine } from '#rxsteer/dataplane/engine/plan.js';
import { ThreadClock } from '#rxsteer/dataplane/memory/clock.js';
import { PRACTICE_SLOTS } from '#rxsteer/dataplane/memory/layout.js';
import { practiceRings } from '#rxsteer/dataplane/memory/ring.js';
import { QUEUE_SLOTS, SLOT_WORDS } from '#rxsteer/dataplane/order/flow-slot.js';
import type { OpenPorts } from '#rxsteer/dataplane/ports/open.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import { attacher } from '#rxsteer/dataplane/ports/tap/attach.js';
import {
  allocateEngineMemory,
  attachEngine,
  practiceQueue,
  scratchOffset,
} from '#rxsteer/dataplane/shared/engine-memory.js';
import { practise } from '#rxsteer/dataplane/worker/warm-up.js';
import { createMacTable } from '#rxsteer/forward/mac-layout.js';
import { MacTable } from '#rxsteer/forward/mac-table.js';
import { SeededRandom } from '#rxsteer/hash/random.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { compilePolicy, policyBytes } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { matrix } from '../../support/matrix.js';

const WORKERS = 2;
const WORKER = 1;

/** Two ports that can both receive and send, and that nobody opens. */
function openPorts(): OpenPorts {
  const infos = [0, 1].map((index) => ({
    index,
    generation: 0,
    removed: false,
    firstQueue: index,
    firstLock: index,
    firstPoller: -1,
    name: `p${index}`,
    kind: 'tap',
    rxQueues: 1,
    txQueues: 1,
    finite: false,
    data: { offload: true },
  }));
  return { infos, live: new Map(), native: null, attachers: {}, close: () => {} } as unknown as OpenPorts;
}

/** An engine's memory in which a worker has died that had frames on their way: everything has some value. */
function usedMemory(policyText: string, mode: 'wire' | 'switch') {
  const policy = parsePolicy(policyText, { command: 'forward', workers: WORKERS });
  const options = {
    ...engineDefaults,
    ports: [parsePort('a=memory:source'), parsePort('b=memory:sink')],
    policy,
    policyText,
    workers: WORKERS,
    maxWorkers: WORKERS,
    backlog: 512,
    smallFrames: 1024,
    largeFrames: 8,
    mode,
  };
  const planned = planEngine(options, openPorts());
  const plan = { ...planned, warmUp: true, room: { ports: 2, queues: 2, txQueues: 2 } };
  const switching =
    mode === 'wire'
      ? new SharedArrayBuffer(8)
      : createMacTable({ capacity: 64, ports: 2, users: WORKERS + 1 });
  const shared = new SharedArrayBuffer(policyBytes(policy));
  const memory = allocateEngineMemory(plan, { policy: shared, switching, events: [-1, -1] }, 0x7fff_ff00);
  const views = attachEngine(plan, memory);
  if (mode === 'switch') new MacTable(switching, 0).learn(0, 0x0200, 5, 1, 1);
  const random = new SeededRandom(7);
  const { counters } = views;
  for (const rows of [...counters.worker, ...counters.port, counters.queue, counters.handoff]) {
    rows.forEach((_, k) => {
      rows[k] = random.below(1000);
    });
  }
  for (let s = 0; s < practiceQueue(plan, 0) * QUEUE_SLOTS * SLOT_WORDS; s += 97) {
    views.ledger.slots[s] = random.below(1 << 20);
  }
  // Frames that the dead one handed over and the other worker still has.
  const ring = views.rings[WORKER * WORKERS]!;
  for (let k = 0; k < 40; k++) {
    const id = views.pool.take(WORKER, 60);
    ring.area[ring.ids + ((0x7fff_ff00 + k) & ring.idMask)] = id;
  }
  ring.index[0] = 0x7fff_ff00 + 40;
  ring.area[ring.state] = 0x7fff_ff00 + 40;
  return { plan, memory, views, shared };
}

/** Ranges of bytes of the shared words that are the warm-up's own. */
function ownRanges({ plan, views }: ReturnType<typeof usedMemory>): [number, number][] {
  const range = (array: Int32Array, first: number, end: number): [number, number] => [
    array.byteOffset + 4 * first,
    array.byteOffset + 4 * end,
  ];
  const queue = practiceQueue(plan, WORKER) * QUEUE_SLOTS;
  const list = views.pool.nativeView(WORKER).freeSmall;
  const { area, practice } = views.rings[WORKER * WORKERS]!;
  return [
    range(views.ledger.slots, queue * SLOT_WORDS, (queue + QUEUE_SLOTS) * SLOT_WORDS),
    range(views.ledger.finished, queue * 2, (queue + QUEUE_SLOTS) * 2),
    range(list, 1 + list[0]!, list.length),
    range(area, practice, area.length),
  ];
}

/** The bytes outside of `ranges`. */
function without(buffer: SharedArrayBuffer, ranges: readonly [number, number][]): Buffer {
  const copy = Buffer.from(new Uint8Array(buffer));
  for (const [from, to] of ranges) copy.fill(0, from, to);
  return copy;
}

describe('nobody notices the warm-up', () => {
  const cases = [
    ['rss:queues=2', 'wire'],
    ['rfs:cpus=0-1,order=linux', 'wire'],
    ['mac', 'switch'],
    ['round-robin', 'wire'],
  ] as const;
  it.each(matrix(cases, [1, 2]))(
    '%s, %s: all memory but its own is byte for byte what it was',
    (policyText, mode) => {
      const used = usedMemory(policyText, mode);
      const { plan, memory, views, shared } = used;
      const ranges = ownRanges(used);
      const scratch: [number, number] = [scratchOffset(plan, WORKER), scratchOffset(plan, WORKER + 1)];
      const all = () => [
        without(memory.words, ranges),
        without(memory.frames, [scratch]),
        without(memory.switching, []),
        without(shared, []),
      ];
      const before = all();
      const inFlight = views.pool.inFlight();
      const burst = new Burst(views.pool.bytes);
      burst.keyFlows(plan.flowKeys);
      const seen: string[] = [];
      const practices = practise(
        {
          config: {
            epoch: 3,
            plan,
            memory,
            steering: 1,
            fence: 1,
            table: null,
            span: WORKERS,
            prepare: false,
          },
          worker: WORKER,
          views,
          native: null,
          clock: new ThreadClock(null),
          burst,
          status: new Int32Array(RECEIVE_STATUS_WORDS),
          attachers: new Map([['tap', attacher]]),
          compile: (config) => {
            const steering = compilePolicy(config.plan.policy, {
              workers: WORKERS,
              worker: WORKER,
              shared: config.memory.policy,
              ports: config.plan.ports,
              faults: 'count',
            });
            seen.push(config.memory.policy === shared ? 'shared' : 'its own');
            return steering;
          },
        },
        Number.POSITIVE_INFINITY,
      );
      expect(practices).toHaveLength(2);
      expect(seen).toEqual(['its own']);
      const after = all();
      for (const [k, bytes] of before.entries()) expect(bytes.equals(after[k]!)).toBe(true);
      expect(views.pool.inFlight()).toBe(inFlight);
      // It did take place: its rings, of which a new set is made here, are in that part of the area.
      const { area, practice } = views.rings[WORKER * WORKERS]!;
      expect(area.subarray(practice).some((word) => word !== 0)).toBe(true);
      expect(new Uint8Array(memory.frames).subarray(...scratch).some((byte) => byte !== 0)).toBe(true);
      expect(practiceRings(views.rings.slice(WORKER * WORKERS, (WORKER + 1) * WORKERS))[0]!.area).toBe(area);
      expect(PRACTICE_SLOTS * 2048).toBeLessThanOrEqual(scratch[1] - scratch[0]);
    },
    30_000,
  );
});

/** Loops over frames, by the names that V8 gives. */
const LOOPS = [
  'dissectBurst',
  'hold',
  'handOver',
  'takeBack',
  'take',
  'decide',
  'sendWhole',
  'commitArrived',
];

describe('code that the warm-up has compiled', () => {
  it('is not thrown away when the first frames come', () => {
    const folder = mkdtempSync(join(tmpdir(), 'rxsteer-warm-'));
    const file = join(folder, 'trace');
    try {
      const fd = openSync(file, 'w');
      const program = new URL('./warm-up-program.mjs', import.meta.url).pathname;
      const flags = ['--trace-opt', '--trace-deopt', program];
      const { status } = spawnSync(process.execPath, flags, { stdio: ['ignore', fd, fd], timeout: 150_000 });
      closeSync(fd);
      const text = readFileSync(file, 'latin1');
      expect([status, status === 0 ? '' : text.slice(-2000)]).toEqual([0, '']);
      const [before, during] = text.split('@@first frames');
      const names = (part: string, what: RegExp) =>
        part.split('\n').flatMap((line) => what.exec(line)?.slice(1) ?? []);
      const marked = new Set(names(before!, /^\[marking .*<JSFunction (\w+) .*for optimization/));
      expect(LOOPS.filter((name) => !marked.has(name))).toEqual([]);
      // At once, or because what it relied on is no longer so.
      const thrown = names(
        during!.split('@@end')[0]!,
        /^\[(?:bailout .*reason: .*<JSFunction|marking dependent code .*<SharedFunctionInfo) (\w+)/,
      );
      expect(thrown.filter((name) => LOOPS.includes(name))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 180_000);
});
