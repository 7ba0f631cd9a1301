/** For each check a host that it finds wrong. */
import type { FakeHost } from './fake-host.js';

export interface Case {
  /** Nodes, threads a core. */
  readonly machine?: { readonly cpus?: number; readonly nodes?: number; readonly smt?: boolean };
  /** Makes it wrong; a healthy NIC `eth0` with 8 queues is there already, unless `bare`. */
  readonly breaks: (host: FakeHost) => void;
  readonly bare?: boolean;
  /** Severity of the finding, and what it is about. */
  readonly severity: 'E' | 'W' | 'I';
  readonly subject?: string;
  /** Where no command cures it: what does. */
  readonly cures?: (host: FakeHost) => void;
}

const rps = (host: FakeHost, device: string, mask: string, queues = 8) => {
  for (let queue = 0; queue < queues; queue++)
    host.set(`/sys/class/net/${device}/queues/rx-${queue}/rps_cpus`, mask);
};
const flows = (host: FakeHost, device: string, entries: number, queues = 8) => {
  for (let queue = 0; queue < queues; queue++)
    host.set(`/sys/class/net/${device}/queues/rx-${queue}/rps_flow_cnt`, `${entries}`);
};
const entries = (count: number) => `${count}`;
const SOCK = '/proc/sys/net/core/rps_sock_flow_entries';

export const CASES: Readonly<Record<string, Case>> = {
  'rps-on-rss': { breaks: (h) => rps(h, 'eth0', 'ff'), severity: 'W', subject: 'eth0' },
  'rps-wanted': {
    bare: true,
    breaks: (h) => {
      h.nic('eth0', { queues: 1 });
      h.softirq.set(0, 0.9);
    },
    severity: 'I',
  },
  'rps-offline': {
    breaks: (h) => {
      h.set('/sys/devices/system/cpu/online', '0-5').set('/sys/devices/system/cpu/offline', '6-7');
      rps(h, 'eth0', 'c3');
    },
    severity: 'W',
  },
  'rps-self': { breaks: (h) => h.set('/sys/class/net/eth0/queues/rx-3/rps_cpus', '08'), severity: 'W' },
  'rps-hot-irq-cpu': {
    breaks: (h) => {
      h.set('/sys/class/net/eth0/queues/rx-2/rps_cpus', '0f');
      h.softirq.set(2, 0.95);
    },
    severity: 'I',
    subject: 'eth0 rx-2',
  },
  'rps-remote': {
    bare: true,
    machine: { nodes: 2 },
    breaks: (h) => {
      h.nic('eth0', { queues: 2 });
      rps(h, 'eth0', 'f0', 2);
    },
    severity: 'W',
  },
  'rps-sibling': {
    bare: true,
    machine: { smt: true },
    breaks: (h) => {
      h.nic('eth0', { queues: 1 });
      rps(h, 'eth0', '1e', 1);
    },
    severity: 'I',
  },
  'rps-isolated': {
    bare: true,
    breaks: (h) => {
      h.nic('eth0', { queues: 1 }).set('/sys/devices/system/cpu/isolated', '6-7');
      rps(h, 'eth0', 'c0', 1);
      rps(h, 'eth0', 'cc', 1);
    },
    severity: 'W',
  },
  'rps-uneven-queues': {
    bare: true,
    breaks: (h) => {
      h.nic('eth0', { queues: 2 });
      h.set('/sys/class/net/eth0/queues/rx-0/rps_cpus', 'f0').set(
        '/sys/class/net/eth0/queues/rx-1/rps_cpus',
        '00',
      );
    },
    severity: 'W',
  },
  'rps-stacked': {
    breaks: (h) => {
      h.device('vlan7').set('/proc/net/vlan/vlan7', 'vlan7  VID: 7');
      h.links.set('/sys/class/net/vlan7/lower_eth0', '../eth0');
      rps(h, 'eth0', 'f0');
      rps(h, 'vlan7', 'ff', 1);
    },
    severity: 'W',
    subject: 'vlan7',
  },
  'rfs-half': { breaks: (h) => h.set(SOCK, entries(32768)), severity: 'E', subject: 'host' },
  'rfs-sizes': {
    breaks: (h) => {
      h.set(SOCK, entries(32768));
      flows(h, 'eth0', 128);
    },
    severity: 'W',
  },
  'rfs-forwarder': {
    breaks: (h) => {
      h.role = 'forwarder';
      h.set(SOCK, entries(32768)).set('/proc/net/sockstat', 'TCP: inuse 12\nUDP: inuse 3');
      flows(h, 'eth0', 4096);
    },
    severity: 'I',
  },
  'arfs-idle': {
    breaks: (h) => {
      h.set(SOCK, entries(32768));
      flows(h, 'eth0', 4096);
    },
    severity: 'W',
  },
  'flow-limit-drops': {
    breaks: (h) => h.softnet.set(3, { flowLimit: 700 }),
    severity: 'W',
    cures: (h) => h.softnet.set(3, {}),
  },
  'channels-low': {
    bare: true,
    breaks: (h) => {
      h.nic('eth0', { queues: 2 });
      h.ethtool('eth0', { channels: { rx: 0, tx: 0, combined: 2, maxRx: 0, maxTx: 0, maxCombined: 8 } });
      h.softirq.set(1, 0.8);
    },
    severity: 'W',
  },
  'channels-high': { machine: { cpus: 8, smt: true }, breaks: () => {}, severity: 'I' },
  'rss-cap': {
    bare: true,
    machine: { cpus: 32 },
    breaks: (h) =>
      h.nic('eth0', { queues: 32, driver: 'ixgbe', entries: Array.from({ length: 128 }, (_, i) => i % 16) }),
    severity: 'W',
  },
  'reta-uneven': {
    breaks: (h) =>
      h.ethtool('eth0', {
        rss: {
          entries: Array.from({ length: 128 }, (_, i) => (i < 40 ? 0 : i % 8)),
          key: null,
          function: null,
          symmetric: 'none',
        },
      }),
    severity: 'W',
  },
  'reta-hole': {
    breaks: (h) =>
      h.ethtool('eth0', {
        rss: { entries: Array.from({ length: 128 }, () => 3), key: null, function: null, symmetric: 'none' },
      }),
    severity: 'E',
  },
  'reta-small': {
    breaks: (h) =>
      h.ethtool('eth0', {
        rss: {
          entries: Array.from({ length: 16 }, (_, i) => i % 8),
          key: null,
          function: null,
          symmetric: 'none',
        },
      }),
    severity: 'I',
    cures: (h) =>
      h.ethtool('eth0', {
        rss: {
          entries: Array.from({ length: 64 }, (_, i) => i % 8),
          key: null,
          function: null,
          symmetric: 'none',
        },
      }),
  },
  'udp-addresses-only': {
    breaks: (h) =>
      h.ethtool('eth0', { fields: { tcp4: 'sdfn', udp4: 'sd', udp6: 'sd' } }).snmp(60_000, 40_000),
    severity: 'W',
  },
  'key-weak': {
    breaks: (h) => h.ethtool('eth0', { rss: { ...h.ethtoolFacts('eth0').rss, key: '6d5a'.repeat(20) } }),
    severity: 'W',
  },
  'sniffer-asymmetric': {
    breaks: (h) => {
      h.role = null;
      h.process(77, 'suricata').ethtool('eth0', { features: {} });
    },
    severity: 'W',
  },
  'rxhash-off': {
    bare: true,
    breaks: (h) => {
      h.nic('eth0', { queues: 1 });
      rps(h, 'eth0', '0f', 1);
      h.ethtool('eth0', { features: { 'receive-hashing': { on: false, fixed: false } } });
    },
    severity: 'W',
  },
  'queue-skew': {
    bare: true,
    breaks: (h) => h.nic('eth0', { packets: [50_000, 100, 100, 100, 100, 100, 100, 100] }),
    severity: 'W',
    cures: (h) => h.nic('eth0'),
  },
  'tunnel-outer': {
    bare: true,
    breaks: (h) => {
      h.nic('eth0', { packets: [50_000, 100, 100, 100, 100, 100, 100, 100] });
      h.device('vxlan7', { uevent: 'DEVTYPE=vxlan\nINTERFACE=vxlan7' });
    },
    severity: 'W',
    subject: 'eth0',
    cures: (h) => h.nic('eth0'),
  },
  'vlan-dsa-hides-ip': {
    bare: true,
    breaks: (h) => {
      h.nic('eth0', { packets: [50_000, 100, 100, 100, 100, 100, 100, 100] });
      h.device('lan1', { uevent: 'DEVTYPE=dsa\nINTERFACE=lan1' });
      h.links.set('/sys/class/net/lan1/lower_eth0', '../eth0');
    },
    severity: 'I',
    subject: 'eth0',
    cures: (h) => h.nic('eth0'),
  },
  'ntuple-dead': {
    breaks: (h) =>
      h.ethtool('eth0', {
        rules: [
          { location: 4, queue: 12, context: null, contextExists: null },
          { location: 5, queue: 2, context: null, contextExists: null },
        ],
      }),
    severity: 'E',
  },
  'irq-pileup': {
    bare: true,
    breaks: (h) => h.nic('eth0', { queues: 4, cpus: [0, 0, 0, 1] }),
    severity: 'W',
  },
  'irq-remote': {
    bare: true,
    machine: { nodes: 2 },
    breaks: (h) => h.nic('eth0', { queues: 4, node: 1 }),
    severity: 'W',
  },
  'irq-mask-is-no-spread': {
    bare: true,
    breaks: (h) => {
      h.nic('eth0', { queues: 2 });
      h.set('/proc/irq/40/smp_affinity_list', '0-3').set('/proc/irq/41/smp_affinity_list', '0-3');
    },
    severity: 'I',
  },
  'irq-hint-unused': {
    bare: true,
    breaks: (h) => {
      h.nic('eth0', { queues: 2 });
      h.set('/proc/irq/40/affinity_hint', '04').set('/proc/irq/41/affinity_hint', '08');
    },
    severity: 'W',
  },
  'irqbalance-fights': {
    breaks: (h) => h.process(500, 'irqbalance', ['/usr/sbin/irqbalance', '--foreground']),
    severity: 'W',
    cures: (h) => h.process(500, 'irqbalance', ['/usr/sbin/irqbalance', '--foreground', '--banirq=40']),
  },
  'irqbalance-absent': {
    bare: true,
    breaks: (h) => h.nic('eth0', { queues: 2, cpus: [0, 0] }),
    severity: 'I',
  },
  'irq-isolated': {
    breaks: (h) => h.set('/sys/devices/system/cpu/isolated', '6-7'),
    severity: 'W',
  },
  'rx-tx-split': {
    bare: true,
    breaks: (h) => {
      h.nic('eth0', { queues: 1, driver: 'virtio_net' });
      h.interrupts.length = 0;
      h.irq(40, 'eth0-input.0', 0).irq(41, 'eth0-output.0', 5);
    },
    severity: 'W',
  },
  'irq-legacy-shared': {
    bare: true,
    breaks: (h) => {
      h.nic('eth0', { queues: 1, driver: 'skge' });
      h.interrupts.length = 0;
      h.irq(40, 'eth0, uhci_hcd:usb3', 0, 1000, 'IO-APIC');
    },
    severity: 'W',
    cures: (h) => {
      h.interrupts.length = 0;
      h.irq(40, 'eth0', 0);
    },
  },
  'napi-threaded': {
    breaks: (h) => {
      h.set('/sys/class/net/eth0/threaded', '1');
      for (let i = 0; i < 2; i++) h.process(900 + i, `napi/eth0-${8193 + i}`, []);
    },
    severity: 'I',
  },
  'xps-none': {
    breaks: (h) => {
      for (let queue = 0; queue < 8; queue++) h.set(`/sys/class/net/eth0/queues/tx-${queue}/xps_cpus`, '00');
    },
    severity: 'I',
  },
  'xps-hole': { breaks: (h) => h.set('/sys/class/net/eth0/queues/tx-5/xps_cpus', '00'), severity: 'W' },
  'xps-remote': {
    machine: { nodes: 2 },
    breaks: (h) => {
      for (let queue = 0; queue < 8; queue++)
        h.set(
          `/sys/class/net/eth0/queues/tx-${queue}/xps_cpus`,
          (1 << ((queue + 4) % 8)).toString(16).padStart(2, '0'),
        );
    },
    severity: 'W',
  },
  'vm-flow-steering': {
    breaks: (h) => {
      h.role = null;
      h.bridge('br0').port('br0', 'eth0');
      for (let i = 0; i < 6; i++) {
        h.tap(`vnet${i}`, 'br0').guest(`vm${i}`, `vnet${i}`, {
          pid: 4000 + 10 * i,
          words: [
            '-netdev',
            'tap,fd=27,id=n0,vhost=on',
            '-device',
            `virtio-net-pci,netdev=n0,mac=52:54:00:00:00:0${i}`,
          ],
        });
      }
    },
    severity: 'W',
    subject: 'eth0',
  },
  'mq-without-queues': {
    breaks: (h) =>
      h.tap('vnet0', null).guest('vm0', 'vnet0', {
        words: [
          '-netdev',
          'tap,id=n0,ifname=vnet0,vhost=on',
          '-device',
          'virtio-net-pci,netdev=n0,mq=on,vectors=10',
        ],
      }),
    severity: 'E',
    subject: 'vm0',
    cures: (h) => h.guest('vm0', 'vnet0', { queues: 4 }),
  },
  'guest-queues-idle': {
    bare: true,
    breaks: (h) =>
      h.nic('eth0', {
        queues: 2,
        driver: 'virtio_net',
        ethtool: { channels: { rx: 0, tx: 0, combined: 2, maxRx: 0, maxTx: 0, maxCombined: 4 } },
      }),
    severity: 'W',
  },
  'vhost-off': {
    breaks: (h) =>
      h.tap('vnet0', null).guest('vm0', 'vnet0', {
        vhost: -1,
        words: ['-netdev', 'tap,id=n0,ifname=vnet0', '-device', 'virtio-net-pci,netdev=n0'],
      }),
    severity: 'W',
    subject: 'vm0',
    cures: (h) => h.guest('vm0', 'vnet0'),
  },
  'emulated-nic': {
    breaks: (h) =>
      h.tap('vnet0', null).guest('vm0', 'vnet0', {
        words: [
          '-netdev',
          '{"type":"tap","id":"n0","ifname":"vnet0"}',
          '-device',
          '{"driver":"e1000","netdev":"n0"}',
        ],
      }),
    severity: 'W',
    subject: 'vm0',
    cures: (h) => h.guest('vm0', 'vnet0'),
  },
  'cpu-mismatch': {
    bare: true,
    machine: { nodes: 2 },
    breaks: (h) => {
      h.nic('eth0', { queues: 1 }).bridge('br0').port('br0', 'eth0').tap('vnet0', 'br0');
      h.guest('vm0', 'vnet0', { vcpu: 5, vhost: 6, vcpuAllowed: '5', vhostAllowed: '6' });
    },
    severity: 'E',
    subject: 'vm0',
    cures: (h) => h.guest('vm0', 'vnet0', { vcpu: 1, vhost: 0, vcpuAllowed: '0-1', vhostAllowed: '0-1' }),
  },
  'vcpu-on-irq-cpu': {
    breaks: (h) => {
      h.tap('vnet0', null).guest('vm0', 'vnet0', { vcpu: 1, vcpuAllowed: '1' });
      h.softirq.set(1, 0.5);
    },
    severity: 'W',
    subject: 'vm0',
  },
  'vhost-unpinned': {
    breaks: (h) => h.tap('vnet0', null).guest('vm0', 'vnet0', { vcpuAllowed: '2-3' }),
    severity: 'I',
    subject: 'vm0',
  },
  'bridge-nf': {
    breaks: (h) =>
      h.bridge('br0').tap('vnet0', 'br0').set('/proc/sys/net/bridge/bridge-nf-call-iptables', '1'),
    severity: 'W',
  },
  'ovs-pmd': {
    breaks: (h) =>
      h.set(
        '/sos_commands/openvswitch/ovs-appctl_dpif-netdev.pmd-rxq-show',
        [
          'pmd thread numa_id 0 core_id 4:',
          '  isolated : true',
          '  port: dpdk0             queue-id:  0 (enabled)   pmd usage: 12 %',
          '  overhead:  2 %',
        ].join('\n'),
      ),
    severity: 'E',
    cures: (h) =>
      h.set(
        '/sos_commands/openvswitch/ovs-appctl_dpif-netdev.pmd-rxq-show',
        'pmd thread numa_id 0 core_id 4:\n  isolated : false\n  port: dpdk0  queue-id:  0 (enabled)   pmd usage: 12 %',
      ),
  },
  'backlog-drops': {
    breaks: (h) => h.softnet.set(2, { processed: 9000, dropped: 500 }),
    severity: 'E',
    cures: (h) => h.softnet.set(2, { processed: 9000 }),
  },
  squeezed: {
    breaks: (h) => h.softnet.set(2, { processed: 9000, squeezed: 500 }),
    severity: 'W',
    cures: (h) => h.softnet.set(2, { processed: 9000, squeezed: 1 }),
  },
  'softirq-one-cpu': {
    breaks: (h) => h.netRx.set(3, 50_000),
    severity: 'W',
    cures: (h) => h.netRx.clear(),
  },
  'ring-drops': {
    breaks: (h) =>
      h.counter('eth0', 'rx_missed_errors', 300).ethtool('eth0', { rings: { rx: 512, maxRx: 4096 } }),
    severity: 'E',
    cures: (h) => h.counter('eth0', 'rx_missed_errors', 0),
  },
  'cloud-limits': {
    breaks: (h) => h.statistic('eth0', 'pps_allowance_exceeded', 40),
    severity: 'I',
    cures: (h) => h.statistic('eth0', 'pps_allowance_exceeded', 0),
  },
  'irq-storm': {
    bare: true,
    breaks: (h) =>
      h.nic('eth0', {
        packets: [300_000, 0, 0, 0, 0, 0, 0, 0],
        ethtool: { coalescing: { adaptiveRx: false, rxUsecs: 0, rxFrames: 1 } },
      }),
    severity: 'W',
  },
  gro: {
    breaks: (h) => {
      h.role = 'forwarder';
      h.ethtool('eth0', {
        features: {
          'generic-receive-offload': { on: true, fixed: false },
          'large-receive-offload': { on: true, fixed: false },
        },
      });
    },
    severity: 'E',
  },
  'defer-half': { breaks: (h) => h.set('/sys/class/net/eth0/napi_defer_hard_irqs', '2'), severity: 'W' },
  'numa-balancing': {
    machine: { nodes: 2 },
    breaks: (h) =>
      h
        .tap('vnet0', null)
        .guest('vm0', 'vnet0', { vcpuAllowed: '2' })
        .set('/proc/sys/kernel/numa_balancing', '1'),
    severity: 'I',
  },
  cpufreq: {
    breaks: (h) => {
      for (let cpu = 0; cpu < 8; cpu++)
        h.set(
          `/sys/devices/system/cpu/cpu${cpu}/cpufreq/scaling_governor`,
          cpu === 5 ? 'powersave' : 'performance',
        );
    },
    severity: 'I',
  },
  'queues-ghost': {
    bare: true,
    breaks: (h) => {
      h.nic('eth0', { driver: 'mlx5_core' }).set('/proc/sys/kernel/osrelease', '5.15.0-89-generic');
      for (let queue = 8; queue < 16; queue++) h.set(`/sys/class/net/eth0/queues/rx-${queue}/rps_cpus`, '00');
    },
    severity: 'I',
    cures: (h) => h.set('/proc/sys/kernel/osrelease', '6.1.0-13-amd64'),
  },
};
