/** The Linux bridge: no process, the kernel forwards in the softirq of the sender's core. */
import type { Forwarder, Running } from '../lab/forwarder.js';
import { missingProgram } from '../lab/programs.js';
import type { Topology } from '../lab/topology.js';

export const bridge: Forwarder = {
  name: 'linux-bridge',
  settings: 'bridge of two ports, no netfilter, no STP; runs on the core of the sender',
  offloads: true,
  polls: false,
  missing: () => missingProgram('Linux bridge', { ip: 'iproute2' }),
  async start(topology: Topology): Promise<Running> {
    topology.ip('forwarder', 'link', 'add', 'br0', 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0');
    const remove = () => topology.ip('forwarder', 'link', 'del', 'br0');
    try {
      for (const link of ['f0', 'f1']) topology.ip('forwarder', 'link', 'set', link, 'master', 'br0');
      topology.ip('forwarder', 'link', 'set', 'br0', 'up');
    } catch (error) {
      remove();
      throw error;
    }
    return {
      pid: null,
      async stop() {
        remove();
      },
    };
  },
};
