/**
 * A wire between two vhost-user ports, DPDK's testpmd as the guest at both ends of it: this program against testpmd's own
 * back-end (`net_vhost`), one core each.
 *
 * Promise: the front-end is the same program with the same options whoever serves it: frames of 64 bytes go round, through
 * the wire and back through the front-end's other port, as fast as both let them. Counted are those that the front-end
 * receives. Nothing of DPDK's outlives the visit (no huge pages, no shared configuration).
 */
import { existsSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../lab/process.js';
import { missingProgram } from '../lab/programs.js';
import { abba, type BenchOptions, type Samples } from '../runner.js';
import { Forwarding } from './rxsteer.js';

export const WIRES = ['rxsteer', 'testpmd net_vhost'] as const;
/** CPU of the front-end, and of what serves it. */
const FRONT_CPU = 0;
const BACK_CPU = 1;
/** Frames that go round: bursts of 32 of each port. */
const BURSTS = 16;

const EAL = ['--no-huge', '--no-pci', '--no-shconf', '--no-telemetry', '-m', '256'];
const QUEUES = ['--nb-cores=1', '--rxq=1', '--txq=1', '--burst=64', '--total-num-mbufs=32768'];

export function wireMissing(): string | null {
  return missingProgram('guests: wire against testpmd', { 'dpdk-testpmd': 'dpdk-dev', stdbuf: 'coreutils' });
}

function testpmd(name: string, main: number, devices: readonly string[], more: readonly string[]): Child {
  return new Child(name, [
    ...['stdbuf', '-oL', 'dpdk-testpmd', '-l', '0,1', `--main-lcore=${main}`, ...EAL],
    ...[`--file-prefix=${name}-${process.pid}`, ...devices.map((device) => `--vdev=${device}`)],
    ...['--', '--forward-mode=io', ...QUEUES, ...more],
  ]);
}

interface Backend {
  end(): Promise<void>;
}

/** Sockets are there when it returns. */
async function serve(name: (typeof WIRES)[number], folder: string, sockets: string[]): Promise<Backend> {
  if (name === 'rxsteer') {
    const forwarding = await Forwarding.start(folder, 'wire', {
      ports: sockets.map((path, k) => `p${k}=vhost-user:${path}`),
      ...{ policy: 'rss', workers: 1, cpus: String(BACK_CPU), mode: 'wire' },
    });
    return { end: () => forwarding.stop() };
  }
  const devices = sockets.map((path, k) => `net_vhost${k},iface=${path},queues=1`);
  // The other core is its main thread's, which sleeps.
  const child = testpmd('vhost-back', FRONT_CPU, devices, ['--auto-start', '--stats-period=0']);
  await child.until(/Press enter to exit/, 30_000);
  return { end: () => child.end(null, 5000) };
}

/** Frames that both ports of the front-end have received so far. */
async function receivedBy(front: Child, nth: number): Promise<number> {
  front.write('show port stats all\n');
  const counts = () => [...front.stdout.matchAll(/RX-packets: (\d+)/g)].map((match) => Number(match[1]));
  for (let looks = 0; counts().length < 2 * nth; looks++) {
    if (looks > 2000) throw new Error(`${front.name}: no statistics`);
    await sleep(1);
  }
  return counts()
    .slice(2 * nth - 2)
    .reduce((a, b) => a + b);
}

async function visit(name: (typeof WIRES)[number], folder: string, seconds: number): Promise<number> {
  const sockets = ['a', 'b'].map((end) => `${folder}/wire-${end}.sock`);
  for (const path of sockets) if (existsSync(path)) rmSync(path);
  const backend = await serve(name, folder, sockets);
  const front = testpmd(
    'virtio-front',
    BACK_CPU,
    sockets.map((path, k) => `net_virtio_user${k},path=${path},queues=1,queue_size=1024`),
    ['--stats-period=0', '-i'],
  );
  try {
    await front.until(/testpmd> /, 30_000);
    front.write(`start tx_first ${BURSTS}\n`);
    await front.until(/Logical Core \d+ .*forwards packets/, 10_000);
    await sleep(500);
    const from = { at: performance.now(), frames: await receivedBy(front, 1) };
    await sleep(1000 * seconds);
    const frames = (await receivedBy(front, 2)) - from.frames;
    return frames / ((performance.now() - from.at) / 1000);
  } finally {
    front.write('stop\nquit\n');
    await front.end(null, 5000);
    await backend.end();
  }
}

/** Fills `samples` by name of the back-end. */
export async function measureWires(
  folder: string,
  rounds: number,
  options: BenchOptions,
  samples: Samples,
): Promise<void> {
  for (const [index, order] of abba(WIRES, rounds).entries()) {
    for (const name of order) {
      options.signal.throwIfAborted();
      options.progress(`guests: wire, round ${index + 1} of ${rounds}: ${name}`);
      samples.add(name, 'rate', await visit(name, folder, options.quick ? 0.7 : 2));
    }
  }
}
