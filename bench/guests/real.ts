/**
 * Virtual machines behind each path, measured in turns.
 *
 *     host outside e0 ──── up forwarder (two workers, switch) g1 … g4: machines
 *
 * Promise: one forwarder a path, whose policy changes between visits; each measure is of a window in the middle of a load.
 * The loads: TCP from outside to one, two and four machines (two streams each), TCP from machine 1 to machine 2, and 60-byte
 * frames to all four at a rate that every path carries, where a frame is the same for all.
 */
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lab, sweepDead } from '#rxsteer/cli/lab.js';
import type { Summary } from '#rxsteer/index.js';
import { compile } from '../lab/compile.js';
import type { Kernel } from '../lab/guest-image.js';
import { Child } from '../lab/process.js';
import { abba, type BenchOptions, type Samples } from '../runner.js';
import { between, spentBy } from './cost.js';
import { addressOf, chooseKernel, MACHINES, Machine, macOf, SINK_PORTS, SOURCE_PORT } from './machines.js';
import type { GuestPath } from './paths.js';
import { Forwarding, lockWaits } from './rxsteer.js';

export const POLICIES = ['mac', 'rss'] as const;
export const LOADS = ['1 guest', '2 guests', '4 guests', 'guest to guest', '60-byte frames'] as const;
export type Load = (typeof LOADS)[number];
/** A second, to all machines together. */
export const SMALL_RATE = 20_000;
export const MEASURES = [
  ...(['rate', 'frames', 'frameBytes', 'programNs', 'emulatorNs', 'vcpuNs'] as const),
  ...(['wakeups', 'waits', 'lost'] as const),
];
export type Measure = (typeof MEASURES)[number];

export const candidate = (path: string, policy: string, load: Load) => `${path}/${load}/${policy}`;

/** Machines that it takes at least. */
const TARGETS: Readonly<Record<Load, number>> = {
  '1 guest': 1,
  '2 guests': 2,
  '4 guests': 4,
  'guest to guest': 2,
  '60-byte frames': 1,
};
/** Before a window opens: emulated machines take their time. */
const WARM_MS = 500;
/** More than what answers to ARP and what opens connections. */
const LEAST_FRAMES = 50;

interface Stand {
  readonly path: GuestPath;
  readonly machines: readonly Machine[];
  readonly forwarding: Forwarding;
  /** Where the host outside is. */
  readonly outside: string;
}

/** Frames and bytes that the machines were given, and all that they sent or were given. */
function counted({ ports, totals }: Summary) {
  const guests = ports.filter(({ name }) => name.startsWith('g'));
  const total = (pick: (port: (typeof ports)[number]) => number) =>
    guests.reduce((a, port) => a + pick(port), 0);
  return {
    bytes: total(({ tx }) => tx.bytes),
    given: total(({ tx }) => tx.packets),
    frames: total(({ tx, rx }) => tx.packets + rx.packets),
    lost: Object.values(totals.dropped).reduce((a, b) => a + b),
  };
}

/** The machine may still be ending the stream before; whoever ends the shell ends it. */
const STREAM = 'until setpriv --pdeathsig KILL busybox nc';

interface Running {
  /** Why it has ended by itself; null while it has not. */
  problem(): string | null;
  end(): Promise<void>;
}

/** Starts a load that lasts until its end is asked for. */
function begin(load: Load, { machines, outside }: Stand, pktgen: string): Running {
  if (load === 'guest to guest') {
    const sink = machines[1]!;
    sink.run(`nc ${addressOf(1)} ${SOURCE_PORT} <&9 >/dev/null & stream=$!`);
    return { problem: () => null, end: async () => sink.run('kill $stream') };
  }
  const streams = Array.from({ length: TARGETS[load] }, (_, k) =>
    SINK_PORTS.map((port) => `${STREAM} ${addressOf(k + 1)} ${port} </dev/zero; do sleep 0.1; done`),
  );
  const small = [
    ...[pktgen, '--interface', 'e0', '--guests', String(machines.length), '--flows', '64', '--size', '60'],
    ...[
      '--dst-mac',
      macOf(1),
      '--src-mac',
      '02:00:00:00:00:99',
      '--rate',
      String(SMALL_RATE),
      '--duration',
      '600',
    ],
  ];
  const commands = load === '60-byte frames' ? [small] : streams.flat().map((line) => ['sh', '-c', line]);
  const children = commands.map((command) => new Child(load, command, { namespace: outside }));
  return {
    problem: () => children.find(({ code }) => code !== undefined)?.gist() ?? null,
    async end() {
      for (const child of children) child.kill();
      for (const child of children) await child.ended;
    },
  };
}

/** Until frames reach the machines, and a while longer. */
async function warmUp({ forwarding }: Stand, running: Running): Promise<void> {
  const { given } = counted(await forwarding.stats());
  for (let looks = 0; counted(await forwarding.stats()).given < given + LEAST_FRAMES; looks++) {
    const problem = running.problem();
    if (problem !== null || looks > 100) throw new Error(problem ?? 'nothing reaches the machines');
    await sleep(100);
  }
  await sleep(WARM_MS);
}

/** One visit: a sample of each measure. */
async function visit(
  load: Load,
  stand: Stand,
  pktgen: string,
  seconds: number,
  add: (m: Measure, value: number) => void,
) {
  const { forwarding, machines } = stand;
  const pids = machines.map(({ pid }) => pid);
  const running = begin(load, stand, pktgen);
  try {
    await warmUp(stand, running);
    const stats = await forwarding.stats();
    const from = { at: performance.now(), spent: spentBy(forwarding.pid, pids), ...counted(stats) };
    await sleep(1000 * seconds);
    const spent = between(from.spent, spentBy(forwarding.pid, pids));
    const took = (performance.now() - from.at) / 1000;
    const after = await forwarding.stats();
    const to = counted(after);
    const frames = to.frames - from.frames;
    const given = to.given - from.given;
    if (given === 0) throw new Error('nothing reached the machines');
    add('rate', (8 * (to.bytes - from.bytes)) / took);
    add('frames', given / took);
    add('frameBytes', (to.bytes - from.bytes) / given);
    add('programNs', spent.program / frames);
    add('emulatorNs', spent.emulator / frames);
    add('vcpuNs', spent.vcpus / frames);
    add('wakeups', spent.wakeups / frames);
    add('waits', (lockWaits(after).contended - lockWaits(stats).contended) / given);
    add('lost', (to.lost - from.lost) / Math.max(1, given + to.lost - from.lost));
  } finally {
    await running.end();
    // A stream's end, and the next listener.
    await sleep(300);
  }
}

/** Fills `samples` for the loads asked for; returns notes. @throws Error where machines or forwarders do not start */
export async function measureMachines(
  folder: string,
  rounds: number,
  asked: readonly Load[],
  options: BenchOptions,
  samples: Samples,
): Promise<string[]> {
  const generator = compile({ what: 'guests: 60-byte frames', source: 'tools/pktgen.cc' });
  const { kernel, paths, without } = chooseKernel();
  const notes = [...without, ...(generator.problem === '' ? [] : [generator.problem])];
  // Booting is most of a short run, and machines that no load needs take processor time.
  const needed = asked.includes('60-byte frames')
    ? MACHINES
    : Math.max(...asked.map((load) => TARGETS[load]));
  const count = options.quick ? 2 : needed;
  const loads = LOADS.filter(
    (load) =>
      asked.includes(load) &&
      TARGETS[load] <= count &&
      (load !== '60-byte frames' || generator.problem === ''),
  );
  const started: { kill(): void }[] = [];
  sweepDead();
  const lab = new Lab();
  try {
    const stands: Stand[] = [];
    for (const [k, path] of paths.entries()) {
      const inner = lab.namespace(`forwarder-${k}`);
      const outside = lab.namespace(`outside-${k}`);
      lab.veth(outside, 'e0', inner, 'up');
      lab.ip('-n', outside, 'addr', 'add', '10.9.0.99/24', 'dev', 'e0');
      const at = `${folder}/${k}`;
      mkdirSync(at);
      const place = { lab, folder: at, namespace: inner, kernel, path, count };
      stands.push({ ...(await raise(place, started, options)), path, outside });
    }
    const candidates = stands.flatMap((stand) =>
      POLICIES.flatMap((policy) => loads.map((load) => ({ stand, policy, load }))),
    );
    for (const [index, order] of abba(candidates, rounds).entries()) {
      for (const { stand, policy, load } of order) {
        options.signal.throwIfAborted();
        const name = candidate(stand.path.name, policy, load);
        options.progress(`guests: round ${index + 1} of ${rounds}: ${name}`);
        try {
          await stand.forwarding.policy(policy);
          await visit(load, stand, generator.path, options.quick ? 0.7 : 1.5, (measure, value) =>
            samples.add(name, measure, value),
          );
        } catch (error) {
          options.signal.throwIfAborted();
          notes.push(`guests: ${name}, round ${index + 1}: ${(error as Error).message.split('\n')[0]}`);
        }
      }
    }
    notes.push(`guests: virtual machines of Linux ${kernel.version}, emulated (TCG), one virtual CPU each`);
    for (const { path } of stands) {
      const { copies } = path;
      notes.push(
        `guests: ${path.name}: a frame is copied ${copies.in} times from outside into a guest, ${copies.between} times from guest to guest, known from the code (${copies.which})`,
      );
    }
    return notes;
  } finally {
    for (const one of started) one.kill();
    lab.close();
  }
}

/** Machines of a path and the forwarder in front of them. TAPs are there before the forwarder, sockets after it. */
async function raise(
  place: { lab: Lab; folder: string; namespace: string; kernel: Kernel; path: GuestPath; count: number },
  started: { kill(): void }[],
  options: BenchOptions,
): Promise<Pick<Stand, 'machines' | 'forwarding'>> {
  const { lab, folder, namespace, kernel, path, count } = place;
  const numbers = Array.from({ length: count }, (_, k) => k + 1);
  const boot = async () => {
    options.signal.throwIfAborted();
    options.progress(`guests: booting ${count} machines: ${path.name}`);
    const booting = numbers.map((n) => Machine.start(folder, namespace, kernel, path, n));
    started.push(...booting);
    for (const machine of booting) await machine.isUp();
    return booting;
  };
  const forward = async () => {
    const forwarding = await Forwarding.start(folder, 'forwarder', {
      ports: ['up=af_packet:up', ...numbers.map((n) => path.port(n, path.at(folder, n)))],
      ...{ policy: 'mac', workers: 2, namespace },
    });
    started.push(forwarding);
    return forwarding;
  };
  if (path.needsForwarder) {
    const forwarding = await forward();
    return { forwarding, machines: await boot() };
  }
  const machines = await boot();
  for (const n of numbers) lab.ip('-n', namespace, 'link', 'set', 'dev', path.at(folder, n), 'up');
  return { machines, forwarding: await forward() };
}
