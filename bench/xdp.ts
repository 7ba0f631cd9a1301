/**
 * Suite `xdp`: what is asked of AF_XDP ports, in ten minutes: CPU time a frame, rate without loss, two workers behind one
 * receive queue, ping as it is and with `--latency low`, CPU time at a light load, a minute at half of the zero-loss rate.
 *
 * The same lab and measures as `peers`, of those alone that the demands compare.
 */
import {
  added,
  capacityNote,
  commonResults,
  DEPLOYMENT,
  directResults,
  measureDirect,
  requireForwarding,
} from './forward.js';
import { blindness } from './lab/disturbance.js';
import type { Forwarder } from './lab/forwarder.js';
import { FORWARDER_CPU, GENERATOR_CPU, Topology } from './lab/topology.js';
import { buildGenerators } from './lab/traffic.js';
import { FULL, LIGHT_LOAD, QUICK, type Visit, visit } from './lab/visit.js';
import { rxsteer, rxsteerXdp, rxsteerXdpLow, rxsteerXdpTwo, SHARES_GENERATOR } from './peers/rxsteer.js';
import { afPacket, afXdp } from './peers/testpmd.js';
import {
  abba,
  type BenchOptions,
  demandOn,
  present,
  ratioOf,
  Samples,
  type Suite,
  type SuiteReport,
} from './runner.js';
import { median } from './stats.js';

const SUITE = 'xdp';
/** A minute at half of the zero-loss rate; shorter with `--quick`. */
const HALF_SECONDS = { full: 60, quick: 5 };
/** What a ping may cost, and more than through a poller. */
const PING_US = 45;
const LOW_PING_US = 15;

type Measure = (it: Visit, rate: () => number) => Promise<void>;

const zeroLoss: Measure = (it, rate) => it.zeroLoss(1.1 * rate());

/** Who is measured at what, beside the rate. */
const CANDIDATES: readonly (readonly [Forwarder, readonly Measure[]])[] = [
  [rxsteerXdp, [zeroLoss, (it) => it.ping(), (it) => it.light()]],
  [rxsteerXdpLow, [(it) => it.ping(), (it) => it.light()]],
  [rxsteerXdpTwo, []],
  [rxsteer, [(it) => it.ping(), (it) => it.light()]],
  [afXdp, [zeroLoss, (it) => it.ping()]],
  [afPacket, [zeroLoss]],
];

async function run(options: BenchOptions): Promise<SuiteReport> {
  requireForwarding();
  const durations = options.quick ? QUICK : FULL;
  const rounds = options.rounds ?? (options.quick ? 2 : 4);
  const halfSeconds = options.quick ? HALF_SECONDS.quick : HALF_SECONDS.full;
  const notes: string[] = [
    DEPLOYMENT,
    ...blindness([GENERATOR_CPU, FORWARDER_CPU]).split('\n').filter(Boolean),
  ];
  const found = CANDIDATES.filter(([forwarder]) => {
    const missing = forwarder.missing();
    notes.push(missing ?? `${forwarder.name}: ${forwarder.settings}`);
    return missing === null;
  });
  const generator = await buildGenerators();
  const samples = new Samples();
  const disturbances: string[] = [];
  const context = { generator, durations, samples, disturbances };
  const topology = await Topology.build();
  let half = 0;
  try {
    for (const [index, round] of abba(found, rounds).entries()) {
      await measureDirect(topology, generator, samples, durations);
      for (const [forwarder, measures] of round) {
        options.signal.throwIfAborted();
        options.progress(`${SUITE}: round ${index + 1} of ${rounds}: ${forwarder.name}`);
        try {
          await visit(topology, forwarder, context, async (it) => {
            await it.rate();
            for (const measure of measures)
              await measure(it, () => samples.of(forwarder.name, 'rate').at(-1)!);
          });
        } catch (error) {
          if (options.signal.aborted) throw error;
          notes.push(`${forwarder.name}, round ${index + 1}: ${(error as Error).message.split('\n')[0]}`);
        }
      }
    }
    options.signal.throwIfAborted();
    options.progress(`${SUITE}: idle, and ${halfSeconds} s at half of the rate without loss`);
    half = median(samples.of(rxsteerXdp.name, 'zeroLoss')) / 2;
    await visit(topology, rxsteerXdp, context, async (it) => {
      await it.idle();
      if (half > 0) await it.lossAt('halfLoss', half, halfSeconds);
    });
    // What `low` adds after traffic: the visit has warmed it up a moment ago.
    await visit(topology, rxsteerXdpLow, context, (it) => it.idle(1000));
  } finally {
    topology.close();
  }
  if (disturbances.length > 0) {
    notes.push(
      `${disturbances.length} measurements were disturbed and repeated: ${disturbances.slice(0, 3).join('; ')}`,
    );
  }
  const against = (
    label: string,
    measure: string,
    of: Forwarder,
    by: Forwarder,
    wanted: string | null,
    note: string | null,
  ) =>
    ratioOf(
      `${label}: ${of.name} / ${by.name}`,
      samples.of(of.name, measure),
      samples.of(by.name, measure),
      wanted,
      note,
    );
  const bound = capacityNote(samples, rxsteerXdp.name);
  const pingUs = ({ name }: Forwarder) => added(samples, name, 'pingMedian').map((ns) => ns / 1000);
  const polled = pingUs(afXdp);
  const two = SHARES_GENERATOR
    ? 'on two CPUs the second worker shares the generator’s: of no meaning'
    : capacityNote(samples, rxsteerXdpTwo.name);
  return {
    results: [
      ...directResults(SUITE, samples),
      ...found.flatMap(([{ name }]) => commonResults(SUITE, samples, name)),
    ],
    ratios: present([
      against('CPU time a frame at full rate', 'frameNs', rxsteerXdp, afXdp, '<= 0.85', bound),
      against('CPU time a frame at full rate', 'frameNs', rxsteerXdp, rxsteer, '<= 0.92', bound),
      against('60-byte frames', 'rate', rxsteerXdp, rxsteer, null, bound),
      against('60-byte frames at zero loss', 'zeroLoss', rxsteerXdp, afXdp, '>= 1.15', bound),
      against('60-byte frames at zero loss', 'zeroLoss', rxsteerXdp, afPacket, '>= 1.15', bound),
      against(
        '60-byte frames, one receive queue',
        'rate',
        rxsteerXdpTwo,
        rxsteerXdp,
        SHARES_GENERATOR ? null : '>= 1.5',
        two,
      ),
      demandOn(
        `loss at half of the rate without loss for ${halfSeconds} s`,
        samples.of(rxsteerXdp.name, 'halfLoss'),
        '<= 0',
        `${Math.round(half / 1000)} kpps`,
      ),
      demandOn('ping added, median, us: rxsteer-af_xdp', pingUs(rxsteerXdp), `< ${PING_US}`),
      demandOn('ping added, median, us: rxsteer', pingUs(rxsteer), `< ${PING_US}`),
      polled.length === 0
        ? null
        : demandOn(
            'ping added, median, us, beyond testpmd-af_xdp: rxsteer-af_xdp-low',
            pingUs(rxsteerXdpLow).map((us) => us - median(polled)),
            `<= ${LOW_PING_US}`,
          ),
      against(`process time at ${LIGHT_LOAD / 1000} kpps`, 'light', rxsteerXdp, rxsteer, null, null),
      demandOn('idle, share of a core: rxsteer-af_xdp', samples.of(rxsteerXdp.name, 'idle'), '< 0.02'),
      demandOn(
        'idle a second after traffic, share of a core: rxsteer-af_xdp-low',
        samples.of(rxsteerXdpLow.name, 'idle'),
        '< 0.02',
      ),
    ]),
    notes,
  };
}

export const xdp: Suite = {
  name: SUITE,
  about: 'AF_XDP ports: CPU time, zero loss, two workers behind one queue, ping, beside DPDK testpmd (root)',
  run,
};
