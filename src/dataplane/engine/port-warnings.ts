/**
 * What the main thread says of frames that a port refused: by name, with the remedy.
 *
 * Promise: data only. One entry for each counter that somebody can do something about.
 */
import { PortCounter } from '../shared/counters.js';
import type { PortSummary } from './port-summary.js';

export interface PortWarning {
  readonly kind: string;
  readonly counter: number;
  /** The same counter in a summary: what earlier ports in the same place counted is taken off. */
  readonly of: (summary: PortSummary) => number;
  /** @param device name of the interface */
  readonly text: (device: string) => string;
}

export const PORT_WARNINGS: readonly PortWarning[] = [
  {
    kind: 'absurd',
    counter: PortCounter.absurd,
    of: ({ rx }) => rx.absurd,
    text: () => 'super-frames with tiny segments or of an unknown type are dropped as malformed',
  },
  {
    kind: 'flood',
    counter: PortCounter.floodLimited,
    of: ({ rx }) => rx.floodLimited,
    text: () =>
      'more broadcasts, multicasts or frames to unknown addresses than its flood budget; the rest is dropped as filtered (flood=)',
  },
  {
    kind: 'rx too long',
    counter: PortCounter.rxTooLong,
    of: ({ rx }) => rx.tooLong,
    text: (device) =>
      `super-frames beyond 64 KiB (BIG TCP) cannot be received and are dropped as tooLong: on what sends into ${device}, ip link set IFACE gso_max_size 65536 gso_ipv4_max_size 65536 (gro_… likewise)`,
  },
  {
    kind: 'tx too long',
    counter: PortCounter.txTooLong,
    of: ({ tx }) => tx.tooLong,
    text: (device) =>
      `frames too long for ${device} are dropped as tooLong: they may be its MTU and one VLAN tag long. With two tags, ip link set IFACE mtu 1504 (4 more) on both ends of that link`,
  },
  {
    kind: 'unsegmentable',
    counter: PortCounter.unsegmentable,
    of: ({ tx }) => tx.unsegmentable,
    text: (device) =>
      `super-frames that ${device} cannot take whole and that cannot be segmented (several tunnels, tunnels that count packets) are dropped as malformed: on the sender, ethtool -K IFACE tx-udp_tnl-segmentation off tx-gre-segmentation off tx-ipxip4-segmentation off`,
  },
];
