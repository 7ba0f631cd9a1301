/** Bridged packets of guests pass iptables. Kubernetes and Docker need that. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { all, setSysctl } from '../remedy.js';

const NAMES = ['net.bridge.bridge-nf-call-iptables', 'net.bridge.bridge-nf-call-ip6tables'] as const;

export const bridgeNf: Check = {
  id: 'bridge-nf',
  severity: 'W',
  title: 'bridged packets of guests pass iptables',
  rests: 'traffic',
  *run(host) {
    const on = NAMES.filter((name) => {
      const value = host.sysctls[name];
      return known(value) && value === '1';
    });
    const taps = host.devices.filter(({ kind, master }) => kind === 'tap' && master !== null);
    if (on.length === 0 || taps.length === 0) return;
    const { kubernetes, docker } = host.managers;
    const needed = kubernetes ? 'Kubernetes' : docker ? 'Docker' : null;
    yield found(
      'host',
      `frames between ${taps.length} taps and their bridges pass the hooks of iptables${needed === null ? '' : `; ${needed} runs here and needs that`}`,
      {
        ...Object.fromEntries(on.map((name) => [name, 1])),
        taps: taps.map(({ name }) => name),
        neededBy: needed,
      },
      all(...on.map((name) => setSysctl(name, 0, 1))),
      { severity: needed === null ? 'W' : 'I', device: taps[0]!.name },
    );
  },
};
