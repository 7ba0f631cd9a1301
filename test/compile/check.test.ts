/** Checks against the running kernel, as they are called. Fresh namespaces only. */
import { describe, expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import type { Check } from '#rxsteer/compile/back-end.js';
import { backEnd } from '#rxsteer/compile/back-ends.js';
import { bpfProgram } from '#rxsteer/compile/bpf/emit.js';
import { tryProgram } from '#rxsteer/compile/bpf/load.js';
import { privileged } from '../support/lab.js';
import { requested } from './support.js';

async function checked(target: string, policy: string | object, packets: number): Promise<Check> {
  const back = await backEnd(target);
  const request = await requested(policy);
  return back.check!(request, back.emit(request), packets);
}

describe.skipIf(!privileged() || loadNative() === null)('the running kernel', () => {
  it.each([
    ['sysfs', 'single'],
    ['sysfs', 'rps:cpus=0'],
    ['bpf', 'rss:queues=5,key=random'],
    ['bpf', 'mac-hash:queues=3'],
    ['xdp', 'rss:queues=1'],
    ['xdp', { policy: 'mac', assign: 'static', owners: [{ mac: '52:54:00:00:00:01', worker: 900 }] }],
  ])('agrees with %s on %j', async (target, policy) => {
    expect(await checked(target, policy, 300)).toMatchObject({ packets: 300, agree: 300, differ: [] });
  });

  it('finds a target that does otherwise, and shows packets', async () => {
    const asked = await requested('rss:queues=4');
    const other = bpfProgram(await requested('rss:queues=4,key=random'));
    const { packets, agree, differ } = tryProgram('bpf', asked, other, 200, 'queues');
    expect(packets).toBe(200);
    expect(agree).toBeGreaterThan(20);
    expect(agree).toBeLessThan(150);
    expect(differ).toHaveLength(5);
    expect(differ[0]).toMatch(/^policy \d, target \d: [0-9a-f]+…? \(\d+ bytes\)$/);
  });

  it('says in one line what the kernel refused', async () => {
    await expect(checked('sysfs', 'rps:cpus=900', 10)).rejects.toMatchObject({
      code: 'RXS_UNCHECKABLE',
      message: expect.stringMatching(/^--check: sysfs: "[^\n]*rps_cpus[^\n]*$/),
    });
  });
});
