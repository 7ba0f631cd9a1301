/** Counters of receive queues, as drivers print them. */
import { describe, expect, it } from 'vitest';
import { UserError } from '#rxsteer/errors.js';
import { queueCounters } from '#rxsteer/nic/queue-counters.js';

const stats = (...lines: string[]) => `NIC statistics:\n${lines.map((line) => `     ${line}`).join('\n')}\n`;

/** What each driver says of two queues with 70 and 30 packets, and 7000 and 3000 bytes where it counts them. */
const drivers: [string, string[], boolean][] = [
  [
    'ixgbe',
    [
      'rx_packets: 100',
      'rx_queue_0_packets: 70',
      'rx_queue_0_bytes: 7000',
      'rx_queue_1_packets: 30',
      'rx_queue_1_bytes: 3000',
      'tx_queue_0_packets: 5',
    ],
    true,
  ],
  [
    'igb',
    [
      'rx_queue_0_packets: 70',
      'rx_queue_0_bytes: 7000',
      'rx_queue_0_drops: 3',
      'rx_queue_1_packets: 30',
      'rx_queue_1_bytes: 3000',
    ],
    true,
  ],
  [
    'i40e',
    ['rx-0.packets: 70', 'rx-0.bytes: 7000', 'tx-0.packets: 9', 'rx-1.packets: 30', 'rx-1.bytes: 3000'],
    true,
  ],
  [
    'i40e, older',
    ['rx-0.rx_packets: 70', 'rx-0.rx_bytes: 7000', 'rx-1.rx_packets: 30', 'rx-1.rx_bytes: 3000'],
    true,
  ],
  [
    'mlx5',
    [
      'rx0_packets: 70',
      'rx0_bytes: 7000',
      'rx0_csum_complete: 70',
      'rx1_packets: 30',
      'rx1_bytes: 3000',
      'tx0_packets: 1',
    ],
    true,
  ],
  [
    'virtio_net',
    [
      'rx_queue_0_packets: 70',
      'rx_queue_0_bytes: 7000',
      'rx_queue_0_kicks: 1',
      'rx_queue_1_packets: 30',
      'rx_queue_1_bytes: 3000',
    ],
    true,
  ],
  ['virtio_net 6.9', ['rx0_packets: 70', 'rx0_bytes: 7000', 'rx1_packets: 30', 'rx1_bytes: 3000'], true],
  [
    'ena',
    [
      'queue_0_tx_cnt: 4',
      'queue_0_rx_cnt: 70',
      'queue_0_rx_bytes: 7000',
      'queue_1_rx_cnt: 30',
      'queue_1_rx_bytes: 3000',
      'queue_1_rx_bad_csum: 1',
    ],
    true,
  ],
  [
    'bnxt',
    [
      '[0]: rx_ucast_packets: 60',
      '[0]: rx_mcast_packets: 6',
      '[0]: rx_bcast_packets: 4',
      '[0]: rx_ucast_bytes: 7000',
      '[1]: rx_ucast_packets: 30',
      '[1]: rx_ucast_bytes: 3000',
    ],
    true,
  ],
  ['gve', ['rx_packets[0]: 70', 'rx_bytes[0]: 7000', 'rx_packets[1]: 30', 'rx_bytes[1]: 3000'], true],
  ['atlantic', ['Queue[0] InPackets: 70', 'Queue[0] OutPackets: 4', 'Queue[1] InPackets: 30'], false],
];

describe('queueCounters', () => {
  it.each(drivers)('reads those of %s', (_name, lines, hasBytes) => {
    expect(queueCounters([stats(...lines)], 'FILE')).toEqual([
      { id: 0, packets: 70, bytes: hasBytes ? 7000 : null },
      { id: 1, packets: 30, bytes: hasBytes ? 3000 : null },
    ]);
  });

  it('takes the difference of before and after, in two texts or one, queues that appeared too', () => {
    const before = stats('rx_queue_2_packets: 10', 'rx_queue_10_packets: 5');
    const after = stats('rx_queue_2_packets: 15', 'rx_queue_10_packets: 5', 'rx_queue_11_packets: 2');
    const wanted = [
      { id: 2, packets: 5, bytes: null },
      { id: 10, packets: 0, bytes: null },
      { id: 11, packets: 2, bytes: null },
    ];
    expect(queueCounters([before, after], 'FILE')).toEqual(wanted);
    expect(queueCounters([`${before}\n${after}`], 'FILE')).toEqual(wanted);
  });

  it.each([
    [[''], /^FILE: no counter of a receive queue/],
    [[stats('rx_packets: 100', 'tx_queue_0_packets: 7')], /^FILE: no counter of a receive queue/],
    [
      [stats('rx0_packets: 9'), stats('rx0_packets: 8')],
      /^FILE: queue 0 has fewer packets after than before/,
    ],
    [
      [stats('rx0_packets: 1'), stats('rx0_packets: 2'), stats('rx0_packets: 3')],
      /^FILE: 3 outputs of ethtool -S/,
    ],
  ])('refuses %j', (texts, message) => {
    expect(() => queueCounters(texts, 'FILE')).toThrow(message);
    expect(() => queueCounters(texts, 'FILE')).toThrow(UserError);
  });
});
