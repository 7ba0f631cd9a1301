/**
 * A virtual machine that moves, running, from one QEMU to another, each with a vhost-user port of its own: what was written
 * into its memory on the way goes along (the dirty log), and its frames find it at the new port at once, because it
 * announces itself (VIRTIO_NET_F_GUEST_ANNOUNCE).
 *
 * Promise: the machine judges what it got by a checksum; the host outside counts the answers to its pings.
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Summary } from '#rxsteer/index.js';
import { CLI, canForward, startForwarder } from '../support/forwarder.js';
import { bootGuest, guestsMissing } from '../support/guest.js';
import { withLab } from '../support/lab.js';
import { SLOW } from '../support/slow.js';
import { expectConservation } from '../support/summary.js';

const missing = guestsMissing();
if (missing !== '') process.stderr.write(`tests with virtual machines are skipped: missing ${missing}\n`);

const MAC = '52:54:00:00:00:01';
const POLL = { timeout: 120_000 * SLOW, interval: 500 };
/** Bytes of a stream's piece; there are ten a second until the machine has moved. */
const PIECE = 50_000;

/** Says something to a QEMU's monitor; what it answers. */
function monitor(path: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let shown = '';
    const socket = connect(path, () => socket.write(`${line}\n`));
    socket.setEncoding('utf8').on('data', (text: string) => {
      shown += text;
      // Its prompt before the line, and after the answer.
      if ((shown.match(/\(qemu\) /g)?.length ?? 0) >= 2) socket.end();
    });
    socket.on('error', reject).on('close', () => resolve(shown));
  });
}

describe.skipIf(missing !== '' || !canForward())('a machine that moves', () => {
  it.each(['silent', 'stream'])('%s', { timeout: 1000_000 * SLOW }, async (what) => {
    const folder = mkdtempSync(join(tmpdir(), 'rxsteer-test-'));
    const at = (name: string) => join(folder, name);
    try {
      await withLab(async (lab) => {
        const ns = await lab.namespace();
        const outside = await lab.namespace();
        await lab.veth(ns, 'up0', outside, 'eth0');
        await lab.address(outside, 'eth0', '10.9.0.3/24');
        // Nobody asks for it: its answers alone do not tell where it is.
        await lab.exec(
          outside,
          'ip',
          'neigh',
          'replace',
          '10.9.0.1',
          'lladdr',
          MAC,
          'dev',
          'eth0',
          'nud',
          'permanent',
        );
        const forwarder = await startForwarder(
          lab,
          ns,
          ...['--port', 'up=af_packet:up0', '--port', `old=vhost-user:${at('old.sock')},follow=guest`],
          ...['--port', `new=vhost-user:${at('new.sock')},follow=guest`],
          ...[
            '--policy',
            'mac:assign=follow-cpu',
            '--workers',
            '2',
            '--cpus',
            '0-1',
            '--control',
            at('control'),
          ],
        );
        const stats = async () => {
          const command = [CLI, 'ctl', '--socket', at('control'), 'stats', '--json'];
          return JSON.parse((await promisify(execFile)('node', command)).stdout) as Summary;
        };
        const readers = async (name: string) => {
          const { detail } = (await stats()).ports.find((port) => port.name === name)!;
          return (detail as { readers: readonly { worker: number | null }[] }).readers;
        };
        const boot = (name: string, incoming?: string) =>
          bootGuest(lab, ns, folder, name, {
            mac: MAC,
            address: '10.9.0.1/24',
            script:
              'ping -c 3 -w 60 10.9.0.3; echo; echo ready to move\nmkfifo /tmp/open; exec 9<>/tmp/open\n(nc -l -p 5001 <&9 | md5sum) &\nwhile :; do sleep 1; done',
            vhostUser: { path: at(`${name}.sock`), queues: 1 },
            more: [
              '-name',
              `${name},debug-threads=on`,
              '-monitor',
              `unix:${at(`${name}.monitor`)},server=on,wait=off`,
            ],
            ...(incoming === undefined ? {} : { incoming }),
          });
        const source = await boot('old');
        await source.line(/^ready to move/m, 120_000 * SLOW);
        const target = await boot('new', `unix:${at('moving')}`);
        await expect.poll(() => readers('old'), POLL).toHaveLength(1);
        expect((await readers('old'))[0]!.worker).not.toBeNull();
        const pings = lab.start(outside, 'ping', '-i', '0.2', '10.9.0.1');
        const answers = () => pings.stdout.match(/bytes from/g)?.length ?? 0;
        await expect.poll(answers, POLL).toBeGreaterThan(5);
        const data = randomBytes(PIECE);
        writeFileSync(at('piece'), data);
        const pieces = `n=0; while [ ! -e ${at('over')} ]; do cat ${at('piece')}; n=$((n+1)); echo $n >${at('count')}; sleep 0.1; done`;
        const stream =
          what === 'stream' ? lab.start(outside, 'sh', '-c', `(${pieces}) | busybox nc 10.9.0.1 5001`) : null;
        await monitor(at('old.monitor'), `migrate -d unix:${at('moving')}`);
        await expect
          .poll(() => monitor(at('old.monitor'), 'info migrate'), POLL)
          .toMatch(/^Migration status: (completed|failed)/m);
        const moved = await monitor(at('old.monitor'), 'info migrate');
        expect(moved).toMatch(/^Migration status: completed/m);
        const before = answers();
        try {
          await expect.poll(answers, POLL).toBeGreaterThan(before + 20);
        } catch (error) {
          const { ports, totals } = await stats();
          const state = await monitor(at('new.monitor'), 'info status');
          const shown = [target.stdout.slice(-2000), state, JSON.stringify({ ports, totals }, null, 1)];
          throw new Error(`${(error as Error).message}\n${shown.join('\n')}`);
        }
        if (stream !== null) {
          writeFileSync(at('over'), '');
          const sum = () => {
            const hash = createHash('md5');
            for (let k = Number(readFileSync(at('count'), 'utf8')); k > 0; k--) hash.update(data);
            return hash.digest('hex');
          };
          await expect.poll(() => target.stdout.includes(sum()), POLL).toBe(true);
          await stream.stop('SIGTERM');
        }
        await expect.poll(() => readers('new'), POLL).toHaveLength(1);
        expect(await readers('old')).toEqual([]);
        await pings.stop('SIGINT');
        const lost = /(\d+) packets transmitted, (\d+) received/.exec(pings.stdout)!;
        await monitor(at('new.monitor'), 'info status');
        const summary = await forwarder.stop();
        expectConservation(summary);
        expect(summary.totals.reordered).toBe(0);
        expect(summary.ports.find(({ name }) => name === 'new')!.tx.packets).toBeGreaterThan(20);
        console.log(
          `${what}: ${/total time: (\d+)/.exec(moved)?.[1]} ms, of it ${/downtime: (\d+)/.exec(moved)?.[1]} ms still; ${lost[1]} pings, ${lost[2]} answered`,
        );
        expect(target.running && source.running).toBe(true);
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
