/** Texts of kernels and tools, and what is made of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ethtoolFromTexts, statisticsFromText } from '#rxsteer/host/ask/ethtool-text.js';
import { known, unknown } from '#rxsteer/host/fact.js';
import { formatCpuList, formatCpuMask, parseCpuList, parseCpuMask } from '#rxsteer/host/lists.js';
import { softnetByCpu } from '#rxsteer/host/read/counters.js';
import { parseInterrupts } from '#rxsteer/host/read/interrupts.js';
import { irqRole, isOfDevice } from '#rxsteer/host/read/irq-names.js';
import { parsePmds } from '#rxsteer/host/read/ovs.js';
import { parseQemuLine } from '#rxsteer/host/read/qemu-line.js';

describe('lists and masks of CPUs', () => {
  const sets = fc
    .uniqueArray(fc.integer({ min: 0, max: 1200 }), { maxLength: 80 })
    .map((a) => a.sort((x, y) => x - y));

  it('survive print and parse', () => {
    fc.assert(
      fc.property(sets, (cpus) => {
        expect(parseCpuList(formatCpuList(cpus))).toEqual(cpus);
        expect(parseCpuMask(formatCpuMask(cpus))).toEqual(cpus);
      }),
    );
  });

  it.each(['x', '1-', '3-1', '0-99999999', '1,,2'])('refuse %s', (text) =>
    expect(parseCpuList(text)).toBeNull(),
  );

  it('read what kernels print', () => {
    expect(parseCpuList('0-3,8\n')).toEqual([0, 1, 2, 3, 8]);
    expect(parseCpuList('\n')).toEqual([]);
    expect(parseCpuList(' (null)\n')).toEqual([]);
    expect(parseCpuMask('00000000,00000000,00000001,80000000\n')).toEqual([31, 32]);
  });
});

describe('/proc/interrupts', () => {
  const rows = (lines: readonly string[], cpus = 2) => {
    const header = `           ${Array.from({ length: cpus }, (_, i) => `CPU${i}`).join('       ')}`;
    return parseInterrupts([header, ...lines].join('\n')).rows;
  };

  it.each([
    [' 29:     103154     101638   PCI-MSI 49153-edge      virtio0-input.0', 'PCI-MSI', ['virtio0-input.0']],
    [
      ' 38:   0   2391 PCI-MSIX-0000:00:03.0   1-edge      virtio2-input.0',
      'PCI-MSIX-0000:00:03.0',
      ['virtio2-input.0'],
    ],
    [
      ' 11:          0        153   IO-APIC  11-fasteoi   eth0, uhci_hcd:usb1',
      'IO-APIC',
      ['eth0', 'uhci_hcd:usb1'],
    ],
    [' 45:   1 2   PCI-MSI-edge      eth0-TxRx-0', 'PCI-MSI-edge', ['eth0-TxRx-0']],
    [' 30:   1 2   IR-PCI-MSI-edge      eth0-TxRx-1', 'IR-PCI-MSI-edge', ['eth0-TxRx-1']],
    [
      ' 52:   1 2     GICv3  69 Level     mlx5_comp3@pci:0000:03:00.0',
      'GICv3',
      ['mlx5_comp3@pci:0000:03:00.0'],
    ],
    [' 52:   1 2   ITS-MSI 524288 Edge      eth1-Tx-Rx-4', 'ITS-MSI', ['eth1-Tx-Rx-4']],
    [' 77:   1 2   xen-dyn-event     eth0-q0-tx', 'xen-dyn-event', ['eth0-q0-tx']],
    [' 78:   1 2   xen-dyn    -event     eth0-q0-rx', 'xen-dyn', ['-event eth0-q0-rx']],
    ['  9:   1 2   IO-APIC   9-fasteoi', 'IO-APIC', []],
  ])('%s', (line, chip, actions) => {
    const [row] = rows([line]);
    expect(row!.total).toBeGreaterThan(2);
    if (!line.includes('xen-dyn    ')) expect([row!.chip, row!.actions]).toEqual([chip, actions]);
    else expect(row!.actions.join(' ')).toContain('eth0-q0-rx');
  });

  it('takes columns for the CPUs that the header names', () => {
    const { cpus, rows: found } = parseInterrupts(
      '      CPU0  CPU2  CPU3\n 40:  1  2  3  PCI-MSI 1-edge  eth0\nLOC: 1 2 3 x\nERR: 0\n',
    );
    expect(cpus).toEqual([0, 2, 3]);
    expect(found).toEqual([{ irq: 40, actions: ['eth0'], chip: 'PCI-MSI', total: 6 }]);
  });

  it('reads rows of 1152 CPUs', () => {
    const counts = Array.from({ length: 1152 }, (_, i) => i);
    const [row] = rows(
      [` 12: ${counts.map((n) => `${n}`.padStart(10)).join(' ')}  IR-PCI-MSI 4-edge eth0-TxRx-3`],
      1152,
    );
    expect(row!.total).toBe((1151 * 1152) / 2);
    expect(row!.actions).toEqual(['eth0-TxRx-3']);
  });
});

describe('names of interrupts', () => {
  it.each([
    ['eth0-TxRx-7', 'both', 7],
    ['eth0-Tx-Rx-3', 'both', 3],
    ['eth0-fp-2', 'both', 2],
    ['mlx5_comp12@pci:0000:3b:00.0', 'both', 12],
    ['mlx4-5@0000:03:00.0', 'both', 5],
    ['virtio0-input.3', 'rx', 3],
    ['virtio0-output.3', 'tx', 3],
    ['eth0-rx-1', 'rx', 1],
    ['eth0-tx-1', 'tx', 1],
    ['eth0-q2-tx', 'tx', 2],
    ['mana_q4@pci:7870:00:00.0', 'both', 4],
    ['eth0', 'both', 0],
    ['virtio0-virtqueues', 'both', 0],
  ])('%s', (name, type, queue) => expect(irqRole(name, 'eth0')).toEqual({ type, queue }));

  it.each([
    'eth0:fdir-TxRx-3',
    'mlx5_async@pci:0',
    'virtio0-config',
    'ice-0000:01:00.0:misc',
    'mana_hwc@pci:1',
    'enp1s0f0-mbx',
  ])('%s is no queue’s', (name) => expect(irqRole(name, 'eth0')).toBeNull());

  it('belong to the device whose name they begin with', () => {
    expect(isOfDevice('eth1-TxRx-0', 'eth1', null)).toBe(true);
    expect(isOfDevice('eth10-TxRx-0', 'eth1', null)).toBe(false);
    expect(isOfDevice('virtio1-input.0', 'eth0', 'virtio1')).toBe(true);
    expect(isOfDevice('virtio10-input.0', 'eth0', 'virtio1')).toBe(false);
  });
});

describe('softnet_stat', () => {
  const line = (columns: number, first = 1) =>
    [first, ...Array.from({ length: columns - 1 }, () => 0)]
      .map((n) => n.toString(16).padStart(8, '0'))
      .join(' ');

  it.each([9, 10, 11])('of %i columns counts rows by the online CPUs', (columns) => {
    const rows = softnetByCpu(`${line(columns, 5)}\n${line(columns, 6)}\n`, [0, 3]);
    expect(known(rows) && [...rows].map(([cpu, row]) => [cpu, row.processed, row.receivedRps])).toEqual([
      [0, 5, columns === 9 ? null : 0],
      [3, 6, columns === 9 ? null : 0],
    ]);
  });

  it('does not guess where rows and CPUs differ', () => {
    expect(known(softnetByCpu(`${line(11)}\n`, [0, 1]))).toBe(false);
    expect(known(softnetByCpu('nonsense\n', [0]))).toBe(false);
  });
});

describe('QEMU’s line', () => {
  it('is read in words and as JSON', () => {
    const line = parseQemuLine(
      [
        'qemu-system-x86_64 -name guest=db,debug-threads=on -netdev tap,id=n0,ifname=vnet3,vhost=on,queues=4',
        '-device virtio-net-pci,netdev=n0,mq=on,vectors=10,mac=52:54:00:aa:bb:cc',
        '-netdev {"type":"tap","fds":"24:25","vhost":true,"id":"n1"} -device {"driver":"virtio-net-pci","netdev":"n1","mq":true}',
        '-nic user,model=e1000',
      ].flatMap((part) => part.split(' ')),
    );
    expect(line.name).toBe('db');
    expect(line.nics).toMatchObject([
      { model: 'e1000', backend: 'user', queues: 1 },
      {
        model: 'virtio-net-pci',
        backend: 'tap',
        ifname: 'vnet3',
        queues: 4,
        mq: true,
        vhost: true,
        vectors: 10,
        mac: '52:54:00:aa:bb:cc',
      },
      { model: 'virtio-net-pci', backend: 'tap', queues: 2, mq: true, vhost: true, fds: [24, 25] },
    ]);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom('-netdev', '-device', '-nic', '-net', '-name'), fc.string())),
        (words) => void parseQemuLine(words),
      ),
    );
  });
});

describe('what ethtool printed', () => {
  const printed = (texts: Readonly<Record<string, string>>) =>
    ethtoolFromTexts((option) => texts[option] ?? unknown('not there', 'absent'));

  it('is read, as far as it is there', () => {
    const facts = printed({
      '-i DEV': 'driver: ixgbe\nversion: 6.1\n',
      '-l DEV':
        'Channel parameters for eth0:\nPre-set maximums:\nRX:\t\tn/a\nTX:\t\tn/a\nOther:\t\t1\nCombined:\t63\nCurrent hardware settings:\nRX:\t\tn/a\nTX:\t\tn/a\nOther:\t\t1\nCombined:\t32\n',
      '-g DEV':
        'Ring parameters for eth0:\nPre-set maximums:\nRX:\t\t4096\nRX Mini:\t0\nTX:\t\t4096\nCurrent hardware settings:\nRX:\t\t512\nRX Mini:\t0\nTX:\t\t512\n',
      '-k DEV':
        'Features for eth0:\ngeneric-receive-offload: on\nlarge-receive-offload: off [fixed]\nntuple-filters: off\nreceive-hashing: on\n',
      '-c DEV': 'Coalesce parameters for eth0:\nAdaptive RX: off  TX: off\nrx-usecs: 3\nrx-frames: 0\n',
      '-x DEV': `RX flow hash indirection table for eth0 with 2 RX ring(s):\n    0:      0     1     0     1     0     1     0     1\nRSS hash key:\n${Array.from({ length: 40 }, () => '6d').join(':')}\nRSS hash function:\n    toeplitz: on\n    xor: off\n    crc32: off\n`,
      '-n DEV rx-flow-hash udp4':
        'UDP over IPV4 flows use these fields for computing Hash flow key:\nIP SA\nIP DA\n\n',
      '-n DEV':
        '2 RX rings available\nTotal 1 rules\n\nFilter: 3\n\tRule Type: TCP over IPv4\n\tAction: Direct to queue 7\n\n',
    });
    expect(facts).toMatchObject({
      driver: 'ixgbe',
      channels: { combined: 32, maxCombined: 63, rx: 0 },
      rings: { rx: 512, maxRx: 4096 },
      features: {
        'large-receive-offload': { on: false, fixed: true },
        'ntuple-filters': { on: false, fixed: false },
      },
      coalescing: { adaptiveRx: false, rxUsecs: 3 },
      rss: { entries: [0, 1, 0, 1, 0, 1, 0, 1], function: 'toeplitz', symmetric: 'none' },
      fields: { udp4: 'sd' },
      rules: [{ location: 3, queue: 7, context: null }],
    });
  });

  it('is unknown with a reason where the driver does not tell', () => {
    const facts = printed({
      '-x DEV': 'Cannot get RX ring count: Operation not supported\n',
      '-l DEV': 'netlink error: Operation not supported\n',
    });
    for (const name of ['rss', 'channels', 'driver'] as const)
      expect(facts[name]).toMatchObject({ unknown: expect.any(String) });
  });

  it('has counters under their names', () => {
    expect(
      statisticsFromText('NIC statistics:\n     rx_queue_0_packets: 12\n     [1]: rx_ucast_packets: 5\n'),
    ).toEqual({
      rx_queue_0_packets: 12,
      '[1]: rx_ucast_packets': 5,
    });
  });
});

describe('poll threads of Open vSwitch', () => {
  it('are read in forms old and new', () => {
    const text = [
      'pmd thread numa_id 0 core_id 2:',
      '  isolated : false',
      '  port: dpdk0             queue-id:  0 (enabled)   pmd usage: 97 %',
      '  port: vhu1              queue-id:  1 (disabled)  pmd usage:  0 %',
      '  overhead:  3 %',
      'pmd thread numa_id 1 core_id 22:',
      '\tisolated : true',
      '\tport: dpdk1\tqueue-id: 0 1',
    ].join('\n');
    expect(parsePmds(text)).toMatchObject([
      {
        core: 2,
        node: 0,
        isolated: false,
        queues: [
          { port: 'dpdk0', queue: 0, usage: 97, enabled: true },
          { port: 'vhu1', queue: 1, enabled: false },
        ],
      },
      {
        core: 22,
        node: 1,
        isolated: true,
        queues: [
          { port: 'dpdk1', queue: 0, usage: null },
          { port: 'dpdk1', queue: 1 },
        ],
      },
    ]);
  });
});
