/** `follow=guest`: the threads of the process behind the socket, and the workers on whose CPUs they run. */
import { availableParallelism } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import { noFrontEnd } from '../support/vhost-front.js';
import { flowsOf, guestFrame, VhostLab } from '../support/vhost-lab.js';

const missing = noFrontEnd() ?? (loadNative() === null ? 'no addon' : null);
const reason = missing ?? (availableParallelism() < 2 ? 'one CPU' : null);
if (reason !== null) process.stderr.write(`tests of follow=guest are skipped: ${reason}\n`);

/** Few in large tables: two that share an entry of it take turns at being where they are read. */
const FLOWS = Array.from({ length: 8 }, (_, k) => k);
const BOTH = ['CPU 0/KVM', 'CPU 1/KVM'];

describe.skipIf(reason !== null)('workers where the virtual CPUs are', () => {
  let lab: VhostLab;
  afterEach(async () => lab.end());

  it('mac: the guest goes where most of its virtual CPUs run, whoever connects next', async () => {
    lab = new VhostLab();
    const warnings: string[] = [];
    await lab.start(',follow=guest,queues=2', {
      policy: 'mac:assign=follow-cpu',
      cpus: [0, 1],
      warn: (line: string) => warnings.push(line),
    });
    const consumer = () => lab.summary().ports[0]!.consumer;
    const first = lab.front();
    const { tasks } = await first.call<{ tasks: number[] }>('vcpus', { names: BOTH });
    const place = async (...cpus: number[]) => {
      for (const [k, cpu] of cpus.entries()) await first.call('place', { name: BOTH[k], cpu });
    };
    const workers = () => lab.detail('a').readers.map(({ worker }) => worker);
    await place(1, 0);
    expect(consumer()).toMatchObject({ rule: 'follow=guest', worker: null });
    await first.begin(lab.path('a'), { pairs: 2 });
    await expect
      .poll(() => lab.detail('a').readers)
      .toEqual([
        { pair: 0, task: tasks[0], worker: 1 },
        { pair: 1, task: tasks[1], worker: 0 },
      ]);
    await place(0, 0);
    await expect.poll(consumer).toMatchObject({ worker: 0 });
    await expect.poll(workers).toEqual([0, 0]);
    // One ring is left: its reader alone counts.
    await place(1, 0);
    await first.call('enable', { ring: 2, on: 0 });
    await expect.poll(workers).toEqual([1]);
    await expect.poll(consumer).toMatchObject({ worker: 1 });
    expect(warnings.join()).not.toContain('follow=guest');
    await first.end();
    await expect.poll(consumer).toMatchObject({ worker: null });

    // Whoever has no virtual CPUs is told of once, and followed by nobody.
    const told = () => warnings.filter((line) => line.includes('follow=guest'));
    const second = lab.front();
    await second.begin(lab.path('a'), { pairs: 2 });
    await expect
      .poll(told)
      .toEqual([
        expect.stringMatching(
          /port a\): follow=guest: process \d+ \(python3.*\) at the other end has no threads of virtual CPUs: not followed/,
        ),
      ]);
    await second.call('enable', { ring: 2, on: 0 });
    await expect.poll(() => lab.detail('a').enabled).toEqual([0]);
    await second.end();
    await expect.poll(() => lab.detail('a').connected).toBe(false);

    const third = lab.front();
    await third.call('vcpus', { names: ['CPU 0/TCG'] });
    await third.call('place', { name: 'CPU 0/TCG', cpu: 0 });
    await third.begin(lab.path('a'), { pairs: 2 });
    // Two rings, one virtual CPU.
    await expect.poll(workers).toEqual([0, 0]);
    expect(told()).toHaveLength(1);
  });

  it('rfs: each flow goes where the reader of its ring runs', async () => {
    lab = new VhostLab();
    await lab.start(',follow=guest,queues=2', {
      policy: 'rfs:cpus=0-1,flows=65536,entries=65536',
      cpus: [0, 1],
    });
    const [sender, receiver] = [lab.front(), lab.front()];
    await receiver.call('vcpus', { names: BOTH });
    await receiver.call('place', { name: BOTH[0], cpu: 1 });
    await receiver.call('place', { name: BOTH[1], cpu: 0 });
    await sender.begin(lab.path('a'));
    await receiver.begin(lab.path('b'), { pairs: 2 });
    await expect.poll(() => lab.detail('b').readers.map(({ worker }) => worker)).toEqual([1, 0]);
    /** Frames of each flow once; the flows of each ring, and what each worker has put into the rings. */
    const round = async () => {
      const before = lab.summary().ports[1]!.txByWorker;
      await sender.send(FLOWS.map((k) => guestFrame(k)));
      const sent = () => lab.summary().ports[1]!.txByWorker.map((n, w) => n - before[w]!);
      await expect.poll(() => sent().reduce((a, b) => a + b)).toBe(FLOWS.length);
      const rings = [];
      for (const pair of [0, 1])
        rings.push(flowsOf((await receiver.call<{ frames: never[] }>('drain', { pair })).frames));
      return { rings, sent: sent() };
    };
    // The first frame of a flow says where it is read; a move may wait for a gap.
    await round();
    await expect
      .poll(async () => {
        const { rings, sent } = await round();
        return [rings.flat().length, sent[0]! - rings[1]!.length, sent[1]! - rings[0]!.length];
      })
      .toEqual([FLOWS.length, 0, 0]);
    expect(lab.summary().totals.reordered).toBe(0);
  });
});
