/** The list of checks, in the order in which findings of one severity are told. A new check is a file here and a line below. */
import type { Check } from '../check.js';
import { arfsIdle } from './arfs-idle.js';
import { backlogDrops } from './backlog-drops.js';
import { bridgeNf } from './bridge-nf.js';
import { channelsHigh } from './channels-high.js';
import { channelsLow } from './channels-low.js';
import { cloudLimits } from './cloud-limits.js';
import { cpuMismatch } from './cpu-mismatch.js';
import { cpufreq } from './cpufreq.js';
import { deferHalf } from './defer-half.js';
import { emulatedNic } from './emulated-nic.js';
import { flowLimitDrops } from './flow-limit-drops.js';
import { gro } from './gro.js';
import { guestQueuesIdle } from './guest-queues-idle.js';
import { irqHintUnused } from './irq-hint-unused.js';
import { irqIsolated } from './irq-isolated.js';
import { irqLegacyShared } from './irq-legacy-shared.js';
import { irqMaskIsNoSpread } from './irq-mask-is-no-spread.js';
import { irqPileup } from './irq-pileup.js';
import { irqRemote } from './irq-remote.js';
import { irqStorm } from './irq-storm.js';
import { irqbalanceAbsent } from './irqbalance-absent.js';
import { irqbalanceFights } from './irqbalance-fights.js';
import { keyWeak } from './key-weak.js';
import { mqWithoutQueues } from './mq-without-queues.js';
import { napiThreaded } from './napi-threaded.js';
import { ntupleDead } from './ntuple-dead.js';
import { numaBalancing } from './numa-balancing.js';
import { ovsPmd } from './ovs-pmd.js';
import { queueSkewed } from './queue-skew.js';
import { queuesGhost } from './queues-ghost.js';
import { retaHole } from './reta-hole.js';
import { retaSmall } from './reta-small.js';
import { retaUneven } from './reta-uneven.js';
import { rfsForwarder } from './rfs-forwarder.js';
import { rfsHalf } from './rfs-half.js';
import { rfsSizes } from './rfs-sizes.js';
import { ringDrops } from './ring-drops.js';
import { rpsHotIrqCpu } from './rps-hot-irq-cpu.js';
import { rpsIsolated } from './rps-isolated.js';
import { rpsOffline } from './rps-offline.js';
import { rpsOnRss } from './rps-on-rss.js';
import { rpsRemote } from './rps-remote.js';
import { rpsSelf } from './rps-self.js';
import { rpsSibling } from './rps-sibling.js';
import { rpsStacked } from './rps-stacked.js';
import { rpsUnevenQueues } from './rps-uneven-queues.js';
import { rpsWanted } from './rps-wanted.js';
import { rssCap } from './rss-cap.js';
import { rxTxSplit } from './rx-tx-split.js';
import { rxhashOff } from './rxhash-off.js';
import { snifferAsymmetric } from './sniffer-asymmetric.js';
import { softirqOneCpu } from './softirq-one-cpu.js';
import { squeezed } from './squeezed.js';
import { tunnelOuter } from './tunnel-outer.js';
import { udpAddressesOnly } from './udp-addresses-only.js';
import { vcpuOnIrqCpu } from './vcpu-on-irq-cpu.js';
import { vhostOff } from './vhost-off.js';
import { vhostUnpinned } from './vhost-unpinned.js';
import { vlanDsaHidesIp } from './vlan-dsa-hides-ip.js';
import { vmFlowSteering } from './vm-flow-steering.js';
import { xpsHole } from './xps-hole.js';
import { xpsNone } from './xps-none.js';
import { xpsRemote } from './xps-remote.js';

export const CHECKS: readonly Check[] = [
  rpsOnRss,
  rpsWanted,
  rpsOffline,
  rpsSelf,
  rpsHotIrqCpu,
  rpsRemote,
  rpsSibling,
  rpsIsolated,
  rpsUnevenQueues,
  rpsStacked,
  rfsHalf,
  rfsSizes,
  rfsForwarder,
  arfsIdle,
  flowLimitDrops,
  channelsLow,
  channelsHigh,
  rssCap,
  retaUneven,
  retaHole,
  retaSmall,
  udpAddressesOnly,
  keyWeak,
  snifferAsymmetric,
  rxhashOff,
  queueSkewed,
  tunnelOuter,
  vlanDsaHidesIp,
  ntupleDead,
  irqPileup,
  irqRemote,
  irqMaskIsNoSpread,
  irqHintUnused,
  irqbalanceFights,
  irqbalanceAbsent,
  irqIsolated,
  rxTxSplit,
  irqLegacyShared,
  napiThreaded,
  xpsNone,
  xpsHole,
  xpsRemote,
  vmFlowSteering,
  mqWithoutQueues,
  guestQueuesIdle,
  vhostOff,
  emulatedNic,
  cpuMismatch,
  vcpuOnIrqCpu,
  vhostUnpinned,
  bridgeNf,
  ovsPmd,
  backlogDrops,
  squeezed,
  softirqOneCpu,
  ringDrops,
  cloudLimits,
  irqStorm,
  gro,
  deferHalf,
  numaBalancing,
  cpufreq,
  queuesGhost,
];
