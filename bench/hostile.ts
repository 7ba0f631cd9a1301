/**
 * Suite `hostile`: what a guest can do to another one.
 *
 *     victim g0 ──── f0            f2, f3 ──── x0, x1 attacker's links (f3 without offloads: software segments)
 *     sink   s0 ──── f1 forwarder  vm0 = a TAP that the attacker holds as QEMU does
 *
 * A victim sends a paced, sequence-numbered stream through a switch with one worker, so that nobody can be served
 * elsewhere; in turns nobody else sends, and an attacker does his worst. The figure is what of the victim's frames
 * arrives at the far end, counted there by a program that shares nothing with the forwarder, as a ratio to the same
 * round without attack. Times stand beside it: the machine's cores are shared with the attacker, who slows down anything.
 *
 * Needs root and a C++ compiler. Everything lies in namespaces of its own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Lab, requireLab, sweepDead } from '#rxsteer/cli/lab.js';
import { UserError } from '#rxsteer/errors.js';
import { compile } from './lab/compile.js';
import { Child, runChild } from './lab/process.js';
import { GENERATOR_CPU } from './lab/topology.js';
import { rxsteer } from './peers/rxsteer.js';
import {
  abba,
  type BenchOptions,
  present,
  ratioOfRounds,
  resultOf,
  Samples,
  type Suite,
  type SuiteReport,
} from './runner.js';
import { median } from './stats.js';

const SUITE = 'hostile';
const MAIN = fileURLToPath(new URL('../cli/main.js', import.meta.url));
/** The victim's frames a second. */
const VICTIM_RATE = 5000;
const QUIET = 'quiet';
/** Of the victim's frames of a quiet round. */
const WANTED = '>= 0.95';

interface Attack {
  readonly name: string;
  /** Kind of `lab/attacker.cc`, and frames a second (0 = as many as possible). */
  readonly kind: string;
  readonly rate: number;
  readonly from: 'tap' | 'link';
}

const ATTACKS: readonly Attack[] = [
  { name: 'UFO headers', kind: 'ufo', rate: 2000, from: 'tap' },
  { name: 'tiny segments', kind: 'tiny', rate: 200, from: 'link' },
  { name: 'broadcast storm', kind: 'broadcast', rate: 0, from: 'link' },
  { name: 'unknown unicast storm', kind: 'unknown', rate: 0, from: 'link' },
  { name: 'random MACs', kind: 'macs', rate: 0, from: 'link' },
  { name: 'crafted MACs', kind: 'crafted', rate: 0, from: 'link' },
  { name: 'new flows', kind: 'flows', rate: 0, from: 'link' },
  { name: 'super-frames at full rate', kind: 'super', rate: 0, from: 'link' },
];

interface Tools {
  readonly attacker: string;
  readonly pktgen: string;
  readonly pktsink: string;
}

function buildTools(): Tools {
  const path = (source: string) => {
    const program = compile({ what: SUITE, source });
    if (program.problem !== '') throw new UserError(program.problem);
    return program.path;
  };
  return {
    attacker: path('lab/attacker.cc'),
    pktgen: path('tools/pktgen.cc'),
    pktsink: path('tools/pktsink.cc'),
  };
}

/** What `pktsink` prints, as far as it is used. */
interface Met {
  readonly unique: number;
  readonly latencyNs: { readonly p50: number; readonly p99: number } | null;
}

class HostileLab {
  private readonly lab = new Lab();
  private readonly victim = this.lab.namespace('victim');
  private readonly attacker = this.lab.namespace('attacker');
  private readonly forwarder = this.lab.namespace('forwarder');
  private children: Child[] = [];

  constructor(private readonly tools: Tools) {
    const { lab, victim, attacker, forwarder } = this;
    lab.veth(victim, 'g0', forwarder, 'f0');
    lab.veth(victim, 's0', forwarder, 'f1');
    lab.veth(attacker, 'x0', forwarder, 'f2');
    lab.veth(attacker, 'x1', forwarder, 'f3');
  }

  private start(name: string, command: readonly string[], namespace: string, cpus?: string): Child {
    const child = new Child(name, command, { namespace, ...(cpus === undefined ? {} : { cpus }) });
    this.children.push(child);
    return child;
  }

  /** One visit: what of the victim's frames arrives, with or without somebody else's. */
  async visit(attack: Attack | null, seconds: number) {
    const { tools, victim, forwarder } = this;
    try {
      // The TAP has to be there before the port; a guest that does nothing holds it in a quiet visit.
      const holder = attack?.from === 'tap' ? attack : { kind: 'flows', rate: 0.001 };
      const tap = [tools.attacker, holder.kind, 'tap', 'vm0', String(holder.rate)];
      const held = this.start('attacker', tap, forwarder, GENERATOR_CPU.toString());
      await held.until(/^ready$/m);
      const ports = ['a=af_packet:f0', 'b=af_packet:f1', 'x=af_packet:f2', 'y=af_packet:f3,offload=off'];
      const program = this.start(
        'rxsteer',
        [
          ...[
            process.execPath,
            MAIN,
            'forward',
            '--policy',
            'rss',
            '--workers',
            '1',
            '--json',
            '--no-control',
          ],
          ...[...ports, 'vm=af_packet:vm0'].flatMap((port) => ['--port', port]),
        ],
        forwarder,
      );
      await program.until(/^ready$/m);
      const sink = this.start('sink', [tools.pktsink, '--interface', 's0', '--max-flows', '4'], victim);
      await sink.until(/^ready$/m);
      // The switch knows both ends: a station that is silent would have its frames flooded, and be no measure.
      await this.announce('s0', '02:00:00:00:00:01');
      await this.announce('x1', '02:00:00:00:aa:01');
      if (attack?.from === 'link') {
        const link = [tools.attacker, attack.kind, 'link', 'x0', String(attack.rate)];
        const child = this.start('attacker', link, this.attacker, GENERATOR_CPU.toString());
        await child.until(/^ready$/m);
      }
      await sleep(300);
      const generator = [
        ...[tools.pktgen, '--interface', 'g0', '--rate', String(VICTIM_RATE), '--size', '64'],
        ...[
          '--flows',
          '4',
          '--guests',
          '1',
          '--src-mac',
          '02:00:00:00:00:10',
          '--dst-mac',
          '02:00:00:00:00:01',
          '--duration',
          String(seconds),
        ],
      ];
      const sent = JSON.parse(await runChild('pktgen', generator, { namespace: victim })) as { sent: number };
      // What waits behind the attacker's frames may come yet.
      await sleep(300);
      await sink.end('SIGTERM');
      const met = JSON.parse(await sink.done()) as Met;
      return { delivered: met.unique / sent.sent, latency: met.latencyNs };
    } finally {
      await this.end();
    }
  }

  /** One frame from a station behind a link. */
  private async announce(link: string, mac: string): Promise<void> {
    const namespace = link === 's0' ? this.victim : this.attacker;
    const frame = [
      this.tools.pktgen,
      '--interface',
      link,
      '--src-mac',
      mac,
      '--dst-mac',
      '02:00:00:00:ee:ee',
    ];
    await runChild('pktgen', [...frame, '--packets', '1', '--flows', '1', '--first-flow', '1000'], {
      namespace,
    });
    await sleep(20);
  }

  private async end(): Promise<void> {
    for (const child of [...this.children].reverse()) await child.end('SIGTERM');
    this.children = [];
  }

  close(): void {
    for (const child of this.children) child.kill();
    this.lab.close();
  }
}

async function run(options: BenchOptions): Promise<SuiteReport> {
  requireLab();
  const missing = rxsteer.missing();
  if (missing !== null) throw new UserError(missing);
  const rounds = options.rounds ?? (options.quick ? 1 : 5);
  const seconds = options.quick ? 1 : 2;
  const tools = buildTools();
  sweepDead();
  const lab = new HostileLab(tools);
  const samples = new Samples();
  try {
    const candidates: readonly (Attack | null)[] = [null, ...ATTACKS];
    for (const [index, order] of abba(candidates, rounds).entries()) {
      for (const attack of order) {
        options.signal.throwIfAborted();
        const name = attack?.name ?? QUIET;
        options.progress(`${SUITE}: round ${index + 1} of ${rounds}, ${name}`);
        const { delivered, latency } = await lab.visit(attack, seconds);
        samples.add(name, 'delivered', delivered);
        if (latency !== null) {
          samples.add(name, 'p50', latency.p50);
          samples.add(name, 'p99', latency.p99);
        }
      }
    }
  } finally {
    lab.close();
  }
  const names = [QUIET, ...ATTACKS.map(({ name }) => name)];
  const results = names.flatMap((name) => [
    resultOf(SUITE, `${name}/victim's frames delivered`, samples.of(name, 'delivered'), 'share', 'of 1'),
    resultOf(SUITE, `${name}/victim's latency, median`, samples.of(name, 'p50'), 'nanoseconds', 'ns'),
    resultOf(SUITE, `${name}/victim's latency, p99`, samples.of(name, 'p99'), 'nanoseconds', 'ns'),
  ]);
  const ratios = ATTACKS.flatMap(({ name }) => [
    ratioOfRounds(
      `${SUITE}: frames delivered, ${name} / quiet`,
      samples.of(name, 'delivered'),
      samples.of(QUIET, 'delivered'),
      WANTED,
    ),
    ratioOfRounds(
      `${SUITE}: median latency, quiet / ${name}`,
      samples.of(QUIET, 'p50'),
      samples.of(name, 'p50'),
      null,
      'the attacker has a core of the same machine',
    ),
  ]);
  const lost = median(samples.of(QUIET, 'delivered')) < 1 ? ['frames were lost without any attack'] : [];
  return { results: present(results), ratios: present(ratios), notes: lost };
}

/** The suite. */
export const hostile: Suite = {
  name: SUITE,
  about: 'what a victim keeps of its frames and its latency under each attack of another guest (root)',
  run,
};
