/** What a running forwarder may still do, as the kernel says of each of its threads. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask } from '#rxsteer/control/client.js';
import type { Status } from '#rxsteer/control/controller.js';
import { canForward, startForwarder } from '../support/forwarder.js';
import { withLab } from '../support/lab.js';

/** Numbers of CAP_NET_BROADCAST, CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK, CAP_SYS_NICE, CAP_PERFMON and CAP_BPF (capabilities(7)). */
const KEPT = [11, 12, 13, 14, 23, 38, 39];

/** Numbers of the capabilities in one line of each thread's status; the sets of all threads, each once. */
function capabilities(pid: number, line: string): number[][] {
  const tasks = `/proc/${pid}/task`;
  const masks = readdirSync(tasks).map((task) => {
    const status = readFileSync(`${tasks}/${task}/status`, 'utf8');
    return new RegExp(`^${line}:\\s*([0-9a-f]+)$`, 'm').exec(status)![1]!;
  });
  return [...new Set(masks)].map((mask) => {
    const value = BigInt(`0x${mask}`);
    return Array.from({ length: 64 }, (_, n) => n).filter((n) => ((value >> BigInt(n)) & 1n) === 1n);
  });
}

function expectSets(pid: number, wanted: readonly number[]): void {
  const possible = capabilities(process.pid, 'CapPrm')[0]!;
  const numbers = wanted.filter((number) => possible.includes(number));
  for (const line of ['CapEff', 'CapPrm', 'CapBnd']) expect(capabilities(pid, line), line).toEqual([numbers]);
  for (const line of ['CapInh', 'CapAmb']) expect(capabilities(pid, line), line).toEqual([[]]);
  const tasks = readdirSync(`/proc/${pid}/task`);
  // Node's own threads, the main one and two workers.
  expect(tasks.length).toBeGreaterThan(3);
  for (const task of tasks) {
    expect(readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8')).toMatch(/^NoNewPrivs:\s*1$/m);
  }
}

describe.skipIf(!canForward())('a forwarder whose ports are open', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'rxsteer-privileges-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const PORTS = ['--port', 'a=af_packet:v0', '--port', 't=tap:t0', '--mode', 'switch', '--workers', '2'];

  it('keeps in every thread what live changes need, and they work', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      const far = await lab.namespace();
      await lab.veth(ns, 'v0', far, 'e0');
      const socket = join(folder, 'kept.sock');
      const forwarder = await startForwarder(lab, ns, ...PORTS, '--max-workers', '3', '--control', socket);
      const { pid } = forwarder.process;
      expectSets(pid, KEPT);
      // A TAP with several queues needs a program in the kernel, another interface packet sockets.
      for (const port of ['m=tap:t1,queues=2', 'l=af_packet:lo']) {
        await ask(socket, 'POST', '/port', { action: 'add', port });
      }
      await ask(socket, 'POST', '/worker', { action: 'add' });
      await ask(socket, 'POST', '/plan', { policy: 'rps:cpus=0-2' });
      await lab.exec(ns, 'ip', 'link', 'del', 'v0');
      await forwarder.process.line(/v0 \(port a\) has vanished/);
      await lab.veth(ns, 'v0', far, 'e0');
      await forwarder.process.line(/v0 \(port a\) is back/);
      // A worker that came later, and threads of Node that did, have no more than the others.
      expectSets(pid, KEPT);
      const { privileges } = await ask<Status>(socket, 'GET', '/status');
      expect(privileges).toMatchObject({ dropped: false });
      expect(privileges.capabilities).toContain('CAP_NET_RAW');
      await forwarder.stop();
    });
  });

  it('keeps nothing with --drop, and says what it cannot do any more', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      const far = await lab.namespace();
      await lab.veth(ns, 'v0', far, 'e0');
      const socket = join(folder, 'dropped.sock');
      const forwarder = await startForwarder(
        ...[lab, ns, ...PORTS, '--max-workers', '3', '--drop', '--control', socket],
      );
      const { pid } = forwarder.process;
      expectSets(pid, []);
      expect(forwarder.process.stderr).toMatch(/^rxsteer: all capabilities are given up \(--drop\): .*$/m);
      for (const port of ['m=tap:t1', 'l=af_packet:lo']) {
        const refused = ask(socket, 'POST', '/port', { action: 'add', port });
        await expect(refused).rejects.toThrow(
          /needs CAP_NET_(ADMIN|RAW), which this forwarder has given up \(--drop\)/,
        );
      }
      // What needs none goes on.
      await ask(socket, 'POST', '/port', { action: 'add', port: 's=memory:sink' });
      await ask(socket, 'POST', '/worker', { action: 'add' });
      await ask(socket, 'POST', '/apply', { policy: 'rps:cpus=0-2' });
      expectSets(pid, []);
      await lab.exec(ns, 'ip', 'link', 'del', 'v0');
      await forwarder.process.line(/v0 \(port a\) has vanished/);
      await lab.veth(ns, 'v0', far, 'e0');
      await forwarder.process.line(/v0 \(port a\) is back, but what opening it needs was given up/);
      expect((await ask<Status>(socket, 'GET', '/status')).privileges).toEqual({
        capabilities: [],
        dropped: true,
      });
      await forwarder.stop();
    });
  });
});
