/**
 * DPDK's virtio-user as the guest at both ends of a wire: frames go round between its two ports and the two vhost-user
 * ports of the forwarder, whoever of them listens at the socket.
 *
 * Promise: both sides count for themselves, and agree: what one sent the other got, and nothing was lost on the way that is
 * not counted.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import { Child } from '#rxsteer/bench/lab/process.js';
import { startForwarder, summarize } from '#rxsteer/index.js';
import { SLOW } from '../support/slow.js';

const missing =
  loadNative() === null
    ? 'no addon'
    : spawnSync('dpdk-testpmd', ['--version']).error !== undefined
      ? 'no dpdk-testpmd (apt-get install dpdk-dev)'
      : null;
if (missing !== null) process.stderr.write(`tests with testpmd are skipped: ${missing}\n`);

const PATIENCE_MS = 60_000 * SLOW;
/** Frames that each port begins with: 8 bursts of 32. */
const BURSTS = 8;
const AROUND = 200_000;

/** Received and sent of both ports, as testpmd's end has them. */
interface Counts {
  readonly received: readonly number[];
  readonly sent: readonly number[];
}

it.skipIf(missing !== null).each([
  ['server', '', 1],
  ['client', ',server=1', 1],
  ['server', '', 2],
] as const)(
  'a port that is the %s and testpmd%s, %i pairs of rings: frames go round, and each is accounted for',
  { timeout: 6 * PATIENCE_MS },
  async (mode, theirs, queues) => {
    const folder = mkdtempSync(join(tmpdir(), 'rxsteer-vhost-'));
    const paths = ['a', 'b'].map((name) => join(folder, `${name}.sock`));
    const port = (path: string, k: number) => `p${k}=vhost-user:${path},mode=${mode},queues=${queues}`;
    const engine = await startForwarder({
      ports: paths.map(port),
      policy: 'rss',
      workers: 2,
      mode: 'wire',
      warn: () => {},
    } as never);
    const options = `queues=${queues},queue_size=512${theirs}`;
    const front = new Child('testpmd', [
      ...['stdbuf', '-oL', 'dpdk-testpmd', '-l', '0,1', '--no-huge', '--no-pci', '--no-shconf'],
      ...['--no-telemetry', '-m', '256', `--file-prefix=soak-${process.pid}`],
      ...paths.map((path, k) => `--vdev=net_virtio_user${k},path=${path},${options}`),
      ...['--', '-i', '--forward-mode=io', '--nb-cores=1', `--rxq=${queues}`, `--txq=${queues}`],
      ...['--total-num-mbufs=16384', '--stats-period=0'],
    ]);
    try {
      await front.until(/testpmd> /, PATIENCE_MS);
      await expect
        .poll(
          () =>
            summarize(engine).ports.map(
              ({ detail }) => (detail as { enabled: readonly number[] }).enabled.length,
            ),
          {
            timeout: PATIENCE_MS,
          },
        )
        .toEqual([queues, queues]);
      front.write(`start tx_first ${BURSTS}\n`);
      await expect
        .poll(() => summarize(engine).totals.transmitted, { timeout: PATIENCE_MS })
        .toBeGreaterThan(AROUND);
      front.write('stop\n');
      await front.until(/Done\./, PATIENCE_MS);
      // What was on its way when it stopped comes to an end.
      let last = -1;
      await expect
        .poll(
          () => {
            const now = summarize(engine).totals.transmitted;
            const still = now === last;
            last = now;
            return still;
          },
          { timeout: PATIENCE_MS, interval: 300 },
        )
        .toBe(true);
      front.write('show port xstats all\n');
      const { received, sent } = await countsOf(front);
      const { ports, totals } = summarize(engine);
      const lost = Object.values(totals.dropped).reduce((a, b) => a + b);
      expect(ports.map(({ rx }) => rx.packets + rx.kernelDrops)).toEqual(sent);
      expect(totals.received).toBe(totals.transmitted + lost);
      expect(totals.reordered).toBe(0);
      // What lies in its rings since it stopped it has not counted.
      ports.forEach(({ tx }, k) => {
        expect(tx.packets).toBeGreaterThanOrEqual(received[k]!);
        expect(tx.packets - received[k]!).toBeLessThanOrEqual(512 * queues);
      });
      console.log(`${mode}, ${queues} pairs: ${totals.transmitted} frames, ${lost} lost and counted`);
    } finally {
      front.write('quit\n');
      await front.end(null, 10_000);
      await engine.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

async function countsOf(front: Child): Promise<Counts> {
  const all = (name: string) =>
    [...front.stdout.matchAll(new RegExp(`^${name}_good_packets: (\\d+)`, 'gm'))].map((match) =>
      Number(match[1]),
    );
  await expect.poll(() => all('tx').length, { timeout: PATIENCE_MS }).toBe(2);
  return { received: all('rx'), sent: all('tx') };
}
