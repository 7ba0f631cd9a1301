/** Policies held against the tools themselves, where they are installed: Open vSwitch, virsh, testpmd. */
import { describe, expect, it } from 'vitest';
import { backEnd } from '#rxsteer/compile/back-ends.js';
import { requested } from '../compile/support.js';
import { installed, privileged } from '../support/lab.js';

const owners = [
  { mac: '52:54:00:00:00:01', worker: 0 },
  { mac: '52:54:00:00:00:02', worker: 1 },
];
const cases: readonly (readonly [string, string, object])[] = [
  ['ovs', 'ovs-vswitchd', { policy: 'rss', queues: 5 }],
  ['libvirt', 'virsh', { policy: 'mac', assign: 'static', owners }],
  ['libvirt', 'virt-xml', { policy: 'rss', queues: 3 }],
  ['testpmd', 'dpdk-testpmd', { policy: 'rss', queues: 4, weight: [3, 1, 0, 2] }],
];

describe.skipIf(!privileged())('the tool', () => {
  for (const [target, tool, policy] of cases) {
    it.skipIf(!installed(tool))(
      `${target} (${tool}) does what the policy says`,
      { timeout: 120_000 },
      async () => {
        const back = await backEnd(target);
        const request = await requested(policy, null, '', target === 'ovs' ? 2 : undefined);
        const check = await back.check!(request, back.emit(request), 500);
        expect(check).toMatchObject({ packets: 500, agree: 500, differ: [] });
      },
    );
  }
});
