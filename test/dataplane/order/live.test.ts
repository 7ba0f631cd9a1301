/**
 * Order in a running engine, with workers that stand still at a chosen stage: a flow moves while its old worker has
 * frames in hand that are not sent. Nothing here depends on how long anything takes.
 */
import { describe, expect, it } from 'vitest';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import { type Summary, summarize } from '#rxsteer/dataplane/engine/summary.js';
import { Paused } from '#rxsteer/dataplane/shared/faults.js';
import { WorkerWord } from '#rxsteer/dataplane/shared/words.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { matrix } from '../../support/matrix.js';
import { SLOW } from '../../support/slow.js';
import { expectConservation, expectNoDrops } from '../../support/summary.js';
import { engineOptions } from '../engine/run-engine.js';

/** The longest there is; not reached in a test. */
const LONG_MS = 2000;
const POSTPONE_ONLY = { postponeMaxMs: LONG_MS, holdMaxFrames: 1000, holdMaxMs: LONG_MS };
const HOLD_AT_ONCE = { postponeMaxMs: 0, holdMaxFrames: 10_000, holdMaxMs: LONG_MS };
const PATIENCE = { timeout: 60_000 * SLOW, interval: 2 };

interface Setup {
  readonly policy: string;
  readonly limits?: typeof POSTPONE_ONLY;
  readonly fault?: string;
  readonly backlog?: number;
}

/** One flow from worker 0; `rfs` maps it to worker 1, which stands still before it sends. */
async function run(
  setup: Setup,
  body: (lab: Lab) => Promise<void>,
): Promise<Summary & { warnings: string[] }> {
  const { policy, limits = POSTPONE_ONLY, fault = 'transmit@1=', backlog = 65_536 } = setup;
  const warnings: string[] = [];
  const engine = await Engine.start(
    engineOptions(
      {
        ports: ['a=memory:source,flows=1,rate=4000,burst=2', 'b=memory:sink'],
        policy,
        workers: 3,
        more: { fault, backlog, orderLimits: limits, smallFrames: 3 << 16 },
      },
      warnings,
    ),
  );
  const lab = new Lab(engine);
  try {
    await body(lab);
  } finally {
    await lab.stop();
  }
  const summary = summarize(engine);
  expectConservation(summary);
  return { ...summary, warnings };
}

class Lab {
  constructor(readonly engine: Engine) {}

  async stands(worker: number): Promise<void> {
    const words = this.engine.views.workers[worker]!;
    await expect.poll(() => Atomics.load(words, WorkerWord.faulted), PATIENCE).toBe(Paused.waits);
  }

  letGo(worker: number): void {
    const words = this.engine.views.workers[worker]!;
    Atomics.store(words, WorkerWord.faulted, Paused.released);
    Atomics.notify(words, WorkerWord.faulted);
  }

  private stopped: Promise<void> | null = null;

  /** Lets everything go on and stops; once. */
  stop(): Promise<void> {
    this.stopped ??= this.engine.stop();
    for (const w of this.engine.plan.cpus.keys()) this.letGo(w);
    return this.stopped;
  }

  /** The hash of the one flow. */
  get hash(): number {
    return this.engine.views.flowHashes.find((hash) => hash !== 0)!;
  }

  /** Waits until `read` of the summary exceeds `n`. */
  async until(read: (summary: Summary) => number, n: number): Promise<Summary> {
    await expect.poll(() => read(summarize(this.engine)), PATIENCE).toBeGreaterThan(n);
    return summarize(this.engine);
  }
}

const processed = (worker: number) => (summary: Summary) => summary.workers[worker]!.processed;

describe('a flow moves while its old worker has handled frames that it has not sent', () => {
  it('strict: it waits, whatever its new consumer', async () => {
    const { totals } = await run({ policy: 'rfs:cpus=1' }, async (lab) => {
      await lab.stands(1);
      lab.engine.recordFlow(lab.hash, 2);
      const now = await lab.until((s) => s.totals.framesPostponed, 50);
      expect(processed(2)(now)).toBe(0);
      lab.letGo(1);
      await lab.until(processed(2), 50);
    });
    expect(totals).toMatchObject({ reordered: 0, moves: 1, movesPostponed: 1, movesHeld: 0 });
  });

  it.each([
    ['as the kernel does, from the map to RFS (hole 1)', 'rfs:cpus=1,order=linux', 'linux'],
    ['as the kernel did before 4.0', 'rfs:cpus=1,order=linux,kernel=3.10', 'linux'],
    ['without any rule', 'rfs:cpus=1,order=none', 'none'],
  ])('%s: it is reordered, and measured', async (_, policy, order) => {
    let waiting = 0;
    const summary = await run({ policy }, async (lab) => {
      await lab.stands(1);
      waiting = summarize(lab.engine).totals.received;
      lab.engine.recordFlow(lab.hash, 2);
      // The old worker had these; the new one is through with others before it is let go.
      await lab.until(processed(2), 50);
      lab.letGo(1);
      await lab.until(processed(1), 0);
    });
    expect(summary.order).toBe(order);
    expect(summary.totals.reordered).toBeGreaterThan(0);
    expectNoDrops(summary);
    const [udp] = summary.orderByClass;
    expect(udp).toMatchObject({ class: 'udpIpv4', frames: summary.totals.delivered });
    expect(udp!.reordered).toBe(summary.totals.reordered);
    expect(udp!.ratio).toBeCloseTo(udp!.reordered / udp!.frames);
    // Each of the late frames came after all that the new worker had finished by then: at least 50.
    expect(udp!.extent.max).toBeGreaterThanOrEqual(50);
    expect(udp!.nReordered[0]).toBeGreaterThanOrEqual(1);
    expect(waiting).toBeGreaterThan(0);
    expect(summary.guestSharing).toMatchObject({ guests: 1, complete: true, workers: { max: 2, mean: 2 } });
  });

  /** The flow is recorded on worker 1 before that has any frame of it; worker 1 then stands. */
  async function knownOnOne(lab: Lab): Promise<void> {
    await lab.until(processed(0), 0);
    lab.engine.recordFlow(lab.hash, 1);
    await lab.stands(1);
  }

  it('from one RFS worker to another even the kernel waits', async () => {
    const { totals } = await run({ policy: 'rfs:cpus=0,order=linux' }, async (lab) => {
      await knownOnOne(lab);
      lab.engine.recordFlow(lab.hash, 2);
      const before = summarize(lab.engine).totals.received;
      const now = await lab.until((s) => s.totals.received, before + 50);
      expect(processed(2)(now)).toBe(0);
      lab.letGo(1);
      await lab.until(processed(2), 50);
    });
    expect(totals.reordered).toBe(0);
    // From the map to worker 1, and from there to 2.
    expect(totals.moves).toBe(2);
  });

  /** Another flow with the same entry of the socket table. */
  const collide = (lab: Lab) => lab.engine.recordFlow(lab.hash ^ 0x4000_0000, 2);
  const close = (lab: Lab) => lab.engine.forgetFlow(lab.hash);

  it.each(
    matrix<[string, string, (lab: Lab) => void]>(
      [
        ['another flow takes its entry', 'rfs:cpus=0,order=linux', collide],
        ['a socket is closed, since 6.16', 'rfs:cpus=0,order=linux,kernel=6.16', close],
      ],
      [1],
    ),
  )('the kernel loses order when %s (hole 2)', async (_, policy, lose) => {
    const { totals } = await run({ policy }, async (lab) => {
      await knownOnOne(lab);
      const before = processed(0)(summarize(lab.engine));
      lose(lab);
      // Back on the map's worker, while worker 1 has frames.
      await lab.until(processed(0), before + 50);
      lab.letGo(1);
      await lab.until(processed(1), 0);
    });
    expect(totals.reordered).toBeGreaterThan(0);
  });

  /** A table is written while worker 1 has frames: they are overtaken by what goes to `to` then. */
  const rewrites = [
    ['rps_flow_cnt', { flows: true }, 2],
    ['rps_sock_flow_entries', { entries: true }, 0],
    ['rps_cpus', { cpus: [2] }, 2],
  ] as const;

  /** The flow has frames on worker 1, which stands; with a CPU list alone the list has put them there. */
  async function rewritable(lab: Lab, table: string): Promise<void> {
    if (table === 'rps_cpus') return lab.stands(1);
    await knownOnOne(lab);
    // Held back by what its slot knows.
    if (table === 'rps_flow_cnt') lab.engine.recordFlow(lab.hash, 2);
  }
  const startOf = (table: string) => (table === 'rps_cpus' ? 'rfs:cpus=1' : 'rfs:cpus=0');

  it.each(matrix(rewrites, [1]))(
    'the kernel loses order when %s is written (hole 3)',
    async (table, rewrite, to) => {
      const { totals } = await run({ policy: `${startOf(table)},order=linux` }, async (lab) => {
        await rewritable(lab, table);
        // Until here it has waited.
        const { received } = summarize(lab.engine).totals;
        const now = await lab.until((s) => s.totals.received, received + 50);
        const before = processed(to)(now);
        if (to === 2) expect(before).toBe(0);
        lab.engine.rewriteTables(rewrite);
        await lab.until(processed(to), before + 50);
        lab.letGo(1);
        await lab.until(processed(1), 0);
      });
      expect(totals.reordered).toBeGreaterThan(0);
    },
  );

  it.each(matrix(rewrites, [0, 2]))('strict keeps it when %s is written', async (table, rewrite, to) => {
    const { totals } = await run({ policy: startOf(table) }, async (lab) => {
      await rewritable(lab, table);
      const before = processed(to)(summarize(lab.engine));
      lab.engine.rewriteTables(rewrite);
      const { totals: seen } = summarize(lab.engine);
      // A flow table is the kernel's own: strict does not look at it, the flow waited before and goes on waiting.
      const now = await lab.until((s) => s.totals.framesPostponed, seen.framesPostponed + 50);
      expect(processed(to)(now)).toBe(before);
      lab.letGo(1);
      await lab.until(processed(to), before + 50);
    });
    expect(totals.reordered).toBe(0);
  });

  it('a CPU list that names no worker is refused, and so is a rewrite under another policy', async () => {
    await run({ policy: 'rfs:cpus=0', fault: 'transmit@2=' }, async (lab) => {
      expect(() => lab.engine.rewriteTables({ cpus: [3] })).toThrow(
        'rps_cpus: CPU 3: expected workers, 0 to 2',
      );
      expect(() => lab.engine.rewriteTables({ cpus: [] })).toThrow(
        'rps_cpus: 0 CPUs: expected workers, 0 to 2',
      );
      await lab.engine.applyPolicy(parsePolicy('rps:cpus=0', { command: 'forward' }));
      expect(() => lab.engine.rewriteTables({ flows: true })).toThrow('policy rps follows no flows');
    });
  });

  it('a closed socket had no such effect before 6.16', async () => {
    const { totals } = await run({ policy: 'rfs:cpus=0,order=linux,kernel=6.15' }, async (lab) => {
      await knownOnOne(lab);
      const before = summarize(lab.engine).totals.received;
      close(lab);
      await lab.until((s) => s.totals.received, before + 50);
      lab.letGo(1);
      await lab.until(processed(1), 50);
    });
    expect(totals.reordered).toBe(0);
  });

  it.each(
    matrix<[string, (lab: Lab) => void]>(
      [
        ['collision', collide],
        ['close', close],
      ],
      [0],
    ),
  )('strict keeps it in the same hole (%s)', async (_, lose) => {
    const { totals } = await run({ policy: 'rfs:cpus=0' }, async (lab) => {
      await knownOnOne(lab);
      const before = processed(0)(summarize(lab.engine));
      lose(lab);
      const now = await lab.until((s) => s.totals.framesPostponed, 50);
      expect(processed(0)(now)).toBe(before);
      lab.letGo(1);
      await lab.until(processed(0), before + 50);
    });
    expect(totals.reordered).toBe(0);
  });
});

describe('a flow that does not drain', () => {
  it('is held, and let go to its new worker in order', async () => {
    const { totals } = await run({ policy: 'rfs:cpus=1', limits: HOLD_AT_ONCE }, async (lab) => {
      await lab.stands(1);
      lab.engine.recordFlow(lab.hash, 2);
      const now = await lab.until((s) => s.totals.framesHeld, 100);
      // Held frames are in flight, and counted as such.
      expect(now.totals.inFlight).toBeGreaterThanOrEqual(100);
      expect(processed(2)(now)).toBe(0);
      lab.letGo(1);
      await lab.until(processed(2), 200);
    });
    expect(totals).toMatchObject({
      reordered: 0,
      moves: 1,
      movesPostponed: 1,
      movesHeld: 1,
      movesCancelled: 0,
    });
    expect(totals.delivered).toBe(totals.received);
  });

  it('is held only as long as the policy wants it to move', async () => {
    const { totals } = await run({ policy: 'rfs:cpus=1', limits: HOLD_AT_ONCE }, async (lab) => {
      await lab.stands(1);
      lab.engine.recordFlow(lab.hash, 2);
      await lab.until((s) => s.totals.framesHeld, 20);
      lab.engine.recordFlow(lab.hash, 1);
      await lab.until((s) => s.totals.movesCancelled, 0);
      lab.letGo(1);
      await lab.until(processed(1), 100);
    });
    expect(totals).toMatchObject({ reordered: 0, moves: 0, movesHeld: 1, movesCancelled: 1 });
    expect(totals.delivered).toBe(totals.received);
  });

  it.each(
    matrix<[string, typeof POSTPONE_ONLY]>(
      [
        ['frames', { ...HOLD_AT_ONCE, holdMaxFrames: 16 }],
        ['milliseconds', { ...HOLD_AT_ONCE, holdMaxMs: 5 }],
      ],
      [1],
    ),
  )('goes on where it was when the bound of %s is reached, again and again', async (_, limits) => {
    const { totals } = await run({ policy: 'rfs:cpus=1', limits }, async (lab) => {
      await lab.stands(1);
      lab.engine.recordFlow(lab.hash, 2);
      const now = await lab.until((s) => s.totals.movesCancelled, 3);
      expect(processed(2)(now)).toBe(0);
      lab.letGo(1);
      await lab.until(processed(2), 50);
    });
    expect(totals).toMatchObject({ reordered: 0, moves: 1, movesPostponed: 1 });
    expect(totals.movesHeld).toBeGreaterThanOrEqual(totals.movesCancelled);
    expect(totals.delivered).toBe(totals.received);
  });

  it('loses as `hold` what its old worker’s backlog has no room for', async () => {
    const limits = { ...HOLD_AT_ONCE, holdMaxFrames: 64 };
    const { totals } = await run({ policy: 'rfs:cpus=1', limits, backlog: 8 }, async (lab) => {
      await lab.stands(1);
      lab.engine.recordFlow(lab.hash, 2);
      await lab.until((s) => s.totals.dropped.hold, 100);
      lab.letGo(1);
      await lab.until(processed(2), 50);
    });
    expect(totals.reordered).toBe(0);
  });

  it('is let go when the engine stops', async () => {
    const { totals } = await run({ policy: 'rfs:cpus=1', limits: HOLD_AT_ONCE }, async (lab) => {
      await lab.stands(1);
      lab.engine.recordFlow(lab.hash, 2);
      await lab.until((s) => s.totals.framesHeld, 50);
      // Told to stop, then worker 1 goes on.
      await lab.stop();
    });
    expect(totals).toMatchObject({ reordered: 0, moves: 1, movesCancelled: 0 });
    expect(totals.delivered).toBe(totals.received);
  });

  it('moves at once when its old worker dies', async () => {
    const setup = { policy: 'rfs:cpus=1', limits: HOLD_AT_ONCE, fault: 'transmit@1!' };
    const { totals, warnings } = await run(setup, async (lab) => {
      await lab.stands(1);
      lab.engine.recordFlow(lab.hash, 2);
      await lab.until((s) => s.totals.framesHeld, 50);
      lab.letGo(1);
      await lab.until(processed(2), 100);
    });
    expect(warnings.filter((line) => line.startsWith('worker 1 died'))).toHaveLength(1);
    expect(totals).toMatchObject({ reordered: 0, moves: 1, movesCancelled: 0 });
    expect(totals.dropped.workerDied).toBeGreaterThan(0);
    expect(totals.delivered).toBe(totals.received - totals.dropped.workerDied);
  });

  it('loses what is held when the worker that holds it dies, and goes on in order', async () => {
    const setup = { policy: 'rfs:cpus=1', limits: HOLD_AT_ONCE, fault: 'transmit@1=/receive@0:400' };
    const { totals, workers } = await run(setup, async (lab) => {
      await lab.stands(1);
      lab.engine.recordFlow(lab.hash, 2);
      await lab.until((s) => s.workers[0]!.deaths, 0);
      lab.letGo(1);
      await lab.until(processed(2), 50);
    });
    expect(workers.map((w) => w.deaths)).toEqual([1, 0, 0]);
    expect(totals.reordered).toBe(0);
    expect(totals.delivered).toBe(totals.received - totals.dropped.workerDied);
  });
});
