/** Counters, faults and the plan: what is refused before any worker starts. */
import { availableParallelism, cpus } from 'node:os';
import { describe, expect, it } from 'vitest';
import { type EngineOptions, planEngine } from '#rxsteer/dataplane/engine/plan.js';
import { allocateShared, Carver } from '#rxsteer/dataplane/memory/layout.js';
import { openPorts } from '#rxsteer/dataplane/ports/open.js';
import {
  carveCounters,
  DROP_REASONS,
  Drop,
  HandoffCounter,
  handoffBase,
  PortCounter,
  portBase,
  QueueCounter,
  queueBase,
  WorkerCounter,
} from '#rxsteer/dataplane/shared/counters.js';
import { allocateEngineMemory, scratchOffset } from '#rxsteer/dataplane/shared/engine-memory.js';
import { Fault, parseFaults, STAGES, type Stage } from '#rxsteer/dataplane/shared/faults.js';
import { chooseMode } from '#rxsteer/dataplane/shared/forwarding.js';
import { WORKERS_MAX } from '#rxsteer/dataplane/shared/limits.js';
import { DROP_REASONS as CONTRACT } from '../../support/summary.js';
import { engineOptions } from './run-engine.js';

describe('counters', () => {
  const shape = { workers: 3, ports: 5, queues: 7 };
  const counters = carveCounters(new Carver(allocateShared((c) => carveCounters(c, shape))), shape);

  it('lie apart: no two share a word, none is outside', () => {
    const seen = new Set<number>();
    const visit = (array: Float64Array, index: number) => {
      expect(index).toBeLessThan(array.length);
      const address = array.byteOffset + index * 8;
      expect(seen.has(address)).toBe(false);
      seen.add(address);
    };
    for (const worker of counters.worker) {
      for (const counter of Object.values(WorkerCounter)) {
        if (counter !== WorkerCounter.dropped) visit(worker, counter);
      }
      for (const reason of DROP_REASONS) visit(worker, WorkerCounter.dropped + Drop[reason]);
    }
    for (const port of counters.port) {
      for (let p = 0; p < shape.ports; p++) {
        for (const counter of Object.values(PortCounter)) visit(port, portBase(p) + counter);
      }
    }
    for (let q = 0; q < shape.queues; q++) {
      for (const counter of Object.values(QueueCounter)) visit(counters.queue, queueBase(q) + counter);
    }
    for (let from = 0; from < 3; from++) {
      for (let to = 0; to < 3; to++) {
        for (const counter of Object.values(HandoffCounter))
          visit(counters.handoff, handoffBase(3, from, to) + counter);
      }
    }
  });

  it('know the closed list of drop reasons', () => {
    expect([...DROP_REASONS]).toEqual([...CONTRACT]);
  });
});

describe('faults', () => {
  it('are parsed', () => {
    expect(parseFaults('drain@3')).toEqual([{ stage: 'drain', worker: 3, after: 1, how: '' }]);
    expect(parseFaults('transmit@0:12+/drain@1=')).toEqual([
      { stage: 'transmit', worker: 0, after: 12, how: '+' },
      { stage: 'drain', worker: 1, after: 1, how: '=' },
    ]);
    for (const text of ['', 'drain', 'drain@', 'drain@x', 'sleep@0', 'drain@0:', 'drain@0:0', 'drain@0:-1']) {
      expect(() => parseFaults(text)).toThrow(
        `fault "${text}": expected STAGE@WORKER[:AFTER][+|=|!] with STAGE one of ${STAGES.join(', ')}`,
      );
    }
  });

  /** At which of ten visits of each stage it throws. */
  const throws = (fault: Fault, stage: Stage) =>
    Array.from({ length: 10 }, (_, i) => {
      try {
        fault.reach(stage);
        return -1;
      } catch {
        return i + 1;
      }
    }).filter((i) => i > 0);

  it('throw once, at their stage and worker, at the right time', () => {
    const words = new Int32Array(4);
    expect(throws(new Fault('decide@1:4', 0, words, 2), 'decide')).toEqual([]);
    const fault = new Fault('decide@1:4', 1, words, 2);
    expect(throws(fault, 'transmit')).toEqual([]);
    expect(words[2]).toBe(0);
    expect(throws(fault, 'decide')).toEqual([4]);
    expect(words[2]).toBe(1);
    expect(throws(new Fault('decide@1:4', 1, words, 2), 'decide')).toEqual([]);
    expect(throws(new Fault('decide@1:4+', 1, words, 2), 'decide')).toEqual([4]);
    expect(throws(new Fault(null, 1, words, 2), 'decide')).toEqual([]);
  });
});

describe('plan', () => {
  const plan = async (more: Partial<EngineOptions>, workers = 2, count = 2) => {
    const warnings: string[] = [];
    const names = ['a=memory:source', 'b=memory:sink', 'c=memory:sink'].slice(0, count);
    const options = engineOptions({ ports: names, workers, more }, warnings);
    const ports = await openPorts(options.ports, options);
    try {
      return { plan: planEngine(options, ports), warnings };
    } finally {
      ports.close();
    }
  };

  it('shares the pool out, with something for everyone', async () => {
    const two = (await plan({ smallFrames: 10_001, largeFrames: 1001 })).plan;
    expect([two.smallPerWorker, two.largePerWorker]).toEqual([5001, 501]);
    const many = (await plan({ smallFrames: 1, largeFrames: 1 }, 4)).plan;
    expect(many.smallPerWorker).toBeGreaterThanOrEqual(64);
    expect(many.largePerWorker).toBeGreaterThanOrEqual(64);
    expect(two.cpus).toEqual([-1, -1]);
    expect((await plan({ cpus: [0, 0, 0] })).plan.cpus).toEqual([0, 0]);
  });

  it('fits the frames of any number of workers into 32-bit offsets', async () => {
    for (const workers of [1, 64, 128, 129, WORKERS_MAX]) {
      const { plan: made } = await plan({ smallFrames: 32_768, largeFrames: 1024 }, workers);
      expect(scratchOffset(made, workers)).toBeLessThan(2 ** 31);
    }
    const { plan: huge } = await plan({ smallFrames: 1 << 21 });
    const none = new SharedArrayBuffer(8);
    expect(() => allocateEngineMemory(huge, { policy: none, switching: none, events: [] })).toThrow(
      '--frames, --large-frames and --workers ask for 4.',
    );
  });

  it('chooses the mode', () => {
    expect(chooseMode(2, undefined)).toBe('wire');
    expect(chooseMode(2, 'switch')).toBe('switch');
    expect(chooseMode(3, undefined)).toBe('switch');
    expect(() => chooseMode(3, 'wire')).toThrow(
      '--mode wire joins exactly two ports, not 3: use --mode switch',
    );
  });

  it('refuses CPUs that are missing', async () => {
    await expect(plan({ cpus: [0] })).rejects.toThrow(
      '--cpus names 1 CPU(s) for 2 workers: name one for each',
    );
    const present = cpus().length;
    await expect(plan({ cpus: [0, present] })).rejects.toThrow(
      `--cpus: there is no CPU ${present}: permitted are 0-${present - 1}`,
    );
  });

  it('warns of far too many workers', async () => {
    expect((await plan({}, 2)).warnings).toEqual([]);
    const many = availableParallelism() * 8 + 1;
    if (many <= WORKERS_MAX) expect((await plan({}, many)).warnings).toHaveLength(1);
  });
});
