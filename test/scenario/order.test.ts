/**
 * No flow is reordered, under any policy and number of workers, except packet by packet (`round-robin`), where the
 * same check must see it. Every frame is accounted for from the generator's counter to the sink's.
 */
import { describe, expect, it } from 'vitest';
import { canForward } from '../support/forwarder.js';
import { withLab } from '../support/lab.js';
import { inSoak, matrix } from '../support/matrix.js';
import { SCENARIO_TIMEOUT_MS, type ScenarioOptions, settle, startScenario } from '../support/scenario.js';
import { generate, type Settings, startSink } from '../support/traffic.js';

const PACKETS = 4000;
/** Paced, so that nothing need be lost; when this machine is slow something is, and order must be kept all the same. */
const RATE = 40_000;

/** Frames of 8 guests, from behind the other port: the forwarder learns where the guests are. */
const FROM_GUESTS: Settings = {
  interface: 'g0',
  flows: 8,
  sources: 8,
  'src-mac': '02:00:00:01:00:00',
  'dst-mac': '02:00:00:00:00:01',
};

/**
 * Sends through a wire; `backwards` is traffic the other way, before or meanwhile. Returns what the forwarder and the
 * sink say, after checking that it adds up.
 */
async function send(
  options: Partial<ScenarioOptions>,
  traffic: Settings,
  backwards: { when: 'before' | 'meanwhile'; settings: Settings } | null = null,
) {
  return withLab(async (lab) => {
    const scenario = await startScenario(lab, {
      ports: ['veth', 'veth'],
      addresses: false,
      orderly: true,
      ...options,
    });
    const [from, to] = [scenario.guests[0]!.ns, scenario.guests[1]!.ns];
    const sink = await startSink(lab, to, { interface: 'g0' });
    if (backwards?.when === 'before') {
      const first = await generate(lab, to, backwards.settings);
      await settle(lab, scenario, 'p0', first.sent);
    }
    const [sent] = await Promise.all([
      generate(lab, from, { interface: 'g0', packets: PACKETS, rate: RATE, ...traffic }),
      backwards?.when === 'meanwhile' ? generate(lab, to, backwards.settings) : null,
    ]);
    await settle(lab, scenario, 'p1', sent.sent);
    const summary = await scenario.finish();
    const seen = await sink.stop();

    const [a, b] = [summary.ports[0]!, summary.ports[1]!];
    expect(sent.sent).toBe(traffic.packets ?? PACKETS);
    // A veth tells its sender of a drop at the far end: pktgen sends that frame again, so both sides count it.
    // A veth refuses a frame that its peer's backlog has no room for (ENOBUFS): the generator tried again, and the
    // peer's device counts a drop. Older kernels take the frame and drop it: then it was sent, and is counted too.
    expect(a.rx.packets + a.rx.kernelDrops).toBe(sent.sent + sent.rejected);
    const arrived = seen.checked + seen.kernelDrops;
    expect([arrived, arrived + seen.rxDropped]).toContain(b.tx.packets);
    expect(seen.other).toBe(0);
    expect(seen.duplicates).toBe(0);
    return { summary, seen };
  });
}

describe.skipIf(!canForward())('order', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  const policies = ['rss', 'rps:cpus=CPUS', 'rps:cpus=CPUS,hash=toeplitz', 'mac', 'mac-hash:fields=both'];
  const cases = [2, 4].flatMap((workers) => policies.map((policy) => [policy, workers] as const));
  cases.push(['single', 4], ['rss', 1]);

  it.each(matrix(cases, [8]))('is kept by %s with %i workers', async (policy, workers) => {
    const { summary, seen } = await send(
      { policy: policy.replace('CPUS', `0-${workers - 1}`), workers },
      { flows: 40, guests: 8, burst: 3, size: 100 },
      // MAC steering assigns guests that it has seen.
      policy === 'mac' ? { when: 'before', settings: { ...FROM_GUESTS, packets: 16 } } : null,
    );
    expect(seen.reordered.packets).toBe(0);
    expect(seen.late).toBe(0);
    expect(summary.totals.reordered).toBe(0);
    expect(seen.flows).toBe(40);
    // The policy has spread the load.
    const busy = summary.workers.filter((worker) => worker.processed > 0).length;
    expect(busy).toBe(policy === 'single' ? 1 : workers);
  });

  inSoak('is kept when guests get their owners in the middle of flows to them', async () => {
    const { summary, seen } = await send(
      { policy: 'mac', workers: 2 },
      { flows: 8, guests: 8, size: 100 },
      { when: 'meanwhile', settings: { ...FROM_GUESTS, packets: 500, rate: RATE / 8 } },
    );
    expect(seen.reordered.packets + seen.late + summary.totals.reordered).toBe(0);
  });

  const protocols = [
    { proto: 'udp6', size: 200 },
    { proto: 'tcp4', size: 1514 },
    { proto: 'tcp6', vlan: 7, size: 1000 },
  ];
  it.each(matrix(protocols, []))('is kept for $proto of $size bytes', async (traffic) => {
    const { summary, seen } = await send({ policy: 'rss', workers: 2 }, { flows: 16, ...traffic });
    expect(seen.reordered.packets + seen.late + summary.totals.reordered).toBe(0);
    expect(seen.flows).toBe(16);
  });

  it.each(matrix([1, 2], [1]))(
    'is kept with two receive queues (fanout hash) and %i workers',
    async (workers) => {
      const { summary, seen } = await send(
        { policy: 'rss', workers, portOptions: 'queues=2,fanout=hash' },
        { flows: 40, size: 100 },
      );
      expect(seen.reordered.packets + seen.late + summary.totals.reordered).toBe(0);
      expect(seen.flows).toBe(40);
    },
  );

  it.each(matrix([2, 4], []))(
    'is lost by round-robin with %i workers, and both ends see it',
    async (workers) => {
      // Whether two workers swap two frames of the one flow is chance, frame by frame: so many that it is certain.
      for (let round = 0; round < 10; round++) {
        const { summary, seen } = await send(
          { policy: 'round-robin', workers },
          { flows: 1, rate: 2 * RATE, packets: 4 * PACKETS, size: 100 },
        );
        if (summary.totals.reordered > 0 && seen.reordered.packets + seen.late > 0) return;
      }
      expect.unreachable('ten rounds without a reordered frame');
    },
  );
});
