/**
 * Guests with one queue behind an uplink that spreads by flow: several CPUs bring one guest's packets and wait for each
 * other at its queue's lock. Spread by guest (MAC) instead, or give guests more queues.
 */
import { type Check, found, notKnown } from '../check.js';
import { card, type Effect, tapQueues } from '../effects.js';
import { known } from '../fact.js';
import { uplinkOf } from '../guest-table.js';
import type { Device, Host } from '../host.js';
import { formatCpuList, unique } from '../lists.js';
import { guestOfTap } from '../read/guests.js';
import { advice, all, NO_REMEDY, quoted, type Remedy, ruleByMac, setRps } from '../remedy.js';
import { percent, receivedPps, round, rpsQueues, rxCpus, rxQueueCount, softirqShare } from '../view.js';

const DROPS = 1;
/** A share of what arrives that no contention loses. */
const ALL = 0.95;

/** The address of the guest behind a tap: libvirt gives the tap the guest's with fe in front. */
function macOf(host: Host, tap: Device): string | null {
  const nic = guestOfTap(host.guests, tap.name)?.nics.find(
    ({ ifname, mac }) => mac !== null && (ifname === tap.name || ifname === null),
  );
  if (nic?.mac !== undefined && nic.mac !== null) return nic.mac;
  return tap.mac?.startsWith('fe:54:00:') === true ? `52${tap.mac.slice(2)}` : null;
}

export const vmFlowSteering: Check = {
  id: 'vm-flow-steering',
  severity: 'W',
  title: 'an uplink spreads by flow over CPUs that then share the lock of each single-queue guest',
  rests: 'traffic',
  *run(host) {
    const uplinks = new Map<Device, Device[]>();
    for (const tap of host.devices) {
      if (tap.kind !== 'tap' || tap.rx.length > 1) continue;
      const uplink = uplinkOf(host, tap);
      if (uplink !== null) uplinks.set(uplink, [...(uplinks.get(uplink) ?? []), tap]);
    }
    for (const [uplink, taps] of uplinks) {
      const masks = rpsQueues(uplink);
      const steered = unique(masks.flatMap(({ cpus }) => cpus));
      const irq = rxCpus(uplink);
      const queues = rxQueueCount(uplink);
      if (!known(irq) && queues > 1 && steered.length < 2) {
        yield notKnown(
          uplink.name,
          `${queues} queues lead to ${taps.length} taps with one queue each; which CPUs: `,
          irq,
        );
        continue;
      }
      const mayRule = takesRules(uplink);
      const spread = known(irq) ? irq : [];
      const cpus = steered.length > 0 ? steered : spread;
      if (cpus.length < 2 || isByGuest(uplink, taps)) continue;
      const drops = taps.map((tap) => ({ tap: tap.name, rate: dropsOf(host, tap.name) }));
      const losing = drops.filter(({ rate }) => (rate ?? 0) > DROPS);
      const arriving = receivedPps(host, uplink.name);
      const lost = losing.reduce((sum, { rate }) => sum + rate!, 0);
      const isAll = known(arriving) && arriving > 0 && lost > ALL * arriving;
      const cures = [
        ...masks.map(({ queue, cpus: was }) => setRps(uplink.name, queue, [], was)),
        ...(queues > 1 && mayRule ? rulesFor(host, uplink, taps, queues) : []),
      ];
      yield found(
        uplink.name,
        `${taps.length} taps with one queue each get packets from ${cpus.length} CPUs: ${uplink.name} spreads by flow ${steered.length > 0 ? `by RPS to CPUs ${formatCpuList(cpus)}` : `over ${queues} queues (CPUs ${formatCpuList(cpus)})`}, and all of them push into the one queue, and its lock, of each guest${losing.length > 0 ? `; ${losing.length} taps drop${isAll ? ' nearly everything that arrives: do their guests read at all?' : ''}` : ''}`,
        {
          uplink: uplink.name,
          bridge: taps[0]!.master,
          taps: taps.map(({ name }) => name),
          cpus: formatCpuList(cpus),
          softirq: cpus.flatMap((cpu) => {
            const share = softirqShare(host, cpu);
            return share === null ? [] : [`cpu${cpu} ${percent(share)}`];
          }),
          dropsPerSecond: Object.fromEntries(losing.map(({ tap, rate }) => [tap, round(rate!)])),
          packetsPerSecond: known(arriving) ? round(arriving) : null,
        },
        all(
          ...cures,
          advice(
            ...(queues > 1 && !mayRule
              ? [
                  `${uplink.driver ?? uplink.name} has no flow rules, so the card itself cannot spread by guest`,
                ]
              : []),
            ...(queues > 1 && mayRule
              ? [
                  `one rule a guest: ethtool -N ${quoted(uplink.name)} flow-type ether dst MAC action QUEUE (ethtool -K ${quoted(uplink.name)} ntuple on first); undo: ethtool -N ${quoted(uplink.name)} delete LOCATION`,
                ]
              : []),
            'or multi-queue taps (queues=N on the netdev, mq=on on the card) with as many queues as CPUs bring packets',
            'what it is worth here: rxsteer bench flow-vs-mac --capture FILE, with a capture of this uplink',
          ),
          ...(cures.length > 0 ? [] : [{ ...NO_REMEDY, effects: moreQueues(host, taps, cpus.length) }]),
        ),
        { severity: losing.length > 0 ? 'E' : 'W', device: uplink.name },
      );
    }
  },
};

/** A rule for each guest whose address is known, at places that no rule has. */
function rulesFor(host: Host, uplink: Device, taps: readonly Device[], queues: number): Remedy[] {
  const used = known(uplink.rules) ? uplink.rules.map(({ location }) => location) : [];
  const first = Math.max(-1, ...used) + 1;
  return taps.flatMap((tap, i) => {
    const mac = macOf(host, tap);
    return mac === null ? [] : [ruleByMac(uplink, mac, i % queues, first + i)];
  });
}

/** Guests that start anew with as many queues as CPUs bring packets. */
function moreQueues(host: Host, taps: readonly Device[], queues: number): Effect[] {
  return taps.flatMap(({ name }) => {
    const guest = guestOfTap(host.guests, name);
    const nic = guest?.nics.find(({ ifname }) => ifname === name || ifname === null);
    return guest === null || nic === undefined
      ? []
      : [tapQueues(name, queues), card(guest.pid, nic.netdev, { queues })];
  });
}

/** Whether the driver takes flow rules at all; virtio's, for one, does not. */
function takesRules({ features, driver }: Device): boolean {
  const ntuple = known(features) ? features['ntuple-filters'] : undefined;
  return ntuple === undefined ? driver !== 'virtio_net' : ntuple.on || !ntuple.fixed;
}

/** A rule for each guest: the NIC spreads by MAC already. */
function isByGuest(uplink: Device, taps: readonly Device[]): boolean {
  const rules = known(uplink.rules) ? uplink.rules.filter(({ queue }) => queue !== null).length : 0;
  return rules >= taps.length && rpsQueues(uplink).length === 0;
}

function dropsOf(host: Host, tap: string): number | null {
  if (!known(host.load)) return null;
  return host.load.devices.get(tap)?.tx_dropped ?? null;
}
