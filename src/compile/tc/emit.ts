/**
 * A policy in the words of tc: a filter for each owned MAC address that names a queue.
 *
 * Promise: receive queues are chosen by hardware only (`skip_sw`); on a TAP or veth the transmit queue is chosen instead, in
 * software: it is the receive queue of the far end. Pure.
 *
 * Source: tc-flower(8), tc-skbedit(8), Documentation/networking/tc-queue-filters.rst; net/sched/act_skbedit.c.
 */
import { UserError } from '../../errors.js';
import { quoted } from '../../host/remedy.js';
import { lowerMac } from '../../policy/owners.js';
import { type Cannot, type Compiled, Inexpressible, type Request } from '../back-end.js';
import { noteLearning } from '../ethtool/emit.js';

const TARGET = 'tc';
/** Software filters of a device whose far end has the queues. */
const FAR_ENDS: readonly string[] = ['tap', 'tun', 'veth'];

const WHY: Readonly<Record<string, string>> = {
  rss: 'tc has no hash over a table; skbedit queue_mapping skbhash takes the kernel’s hash (--to ethtool)',
  rps: 'RPS is set in sysfs (--to sysfs)',
  rfs: 'RFS is set in sysfs (--to sysfs)',
  'mac-hash': 'flower matches addresses, and hashes none (--to bpf, xdp)',
  pools: 'pools are set by the driver',
  'round-robin': 'a filter keeps a flow on its queue',
  js: 'a module of JavaScript does not run there',
};

/** @throws Inexpressible */
export function emitTc({ spec, device, now }: Request): Compiled {
  if (spec.policy !== 'mac' && spec.policy !== 'single') {
    throw new Inexpressible(TARGET, spec, WHY[spec.policy]!);
  }
  const cannot: Cannot[] = [];
  const isFar = now !== null && FAR_ENDS.includes(now.kind);
  const name = device === null ? '"$DEV"' : quoted(device);
  const hook = isFar ? 'egress' : 'ingress';
  const skip = isFar ? 'skip_hw' : 'skip_sw';
  if (!isFar) {
    cannot.push({
      what: 'a NIC without tc offload',
      why: 'a receive queue is chosen by hardware only: with skip_sw the kernel refuses a filter that the driver does not take (ethtool -K hw-tc-offload on)',
    });
  }
  if (now !== null) {
    cannot.push({
      what: 'a clsact that is there now',
      why: 'filters are not read: the undo removes it with all of them',
    });
  }
  const filters: string[] = [];
  const add = (pref: number, protocol: string, match: string, queue: number) =>
    filters.push(
      `tc filter add dev ${name} ${hook} protocol ${protocol} pref ${pref} flower ${match}${skip} action skbedit queue_mapping ${queue}`,
    );
  if (spec.policy === 'mac') {
    noteLearning(spec, cannot);
    // Those of a VLAN first: an owner on any VLAN stands behind them.
    const owners = [...spec.owners].sort(
      (a, b) => Number(a.vlan === undefined) - Number(b.vlan === undefined),
    );
    owners.forEach((owner, i) => {
      const mac = lowerMac(owner.mac);
      const queue = owner.worker ?? owner.cpu ?? 0;
      if (owner.vlan === undefined) add(i + 1, 'all', `dst_mac ${mac} `, queue);
      else if (owner.vlan === 0)
        cannot.push({ what: `owner ${mac} on VLAN 0`, why: 'flower cannot ask for a frame without a tag' });
      else add(i + 1, '802.1Q', `vlan_id ${owner.vlan} dst_mac ${mac} `, queue);
    });
  }
  add(filters.length + 1, 'all', '', 0);
  return {
    target: TARGET,
    commands: [`tc qdisc add dev ${name} clsact`, ...filters],
    undo: [`tc qdisc del dev ${name} clsact`],
    cannot,
  };
}

const FILTER =
  /^tc filter add dev (?:"\$DEV"|'[^']*'|\S+) (?:in|e)gress protocol (all|802\.1Q) pref \d+ flower (?:vlan_id (\d+) )?(?:dst_mac ([0-9a-f:]{17}) )?skip_[sh]w action skbedit queue_mapping (\d+)$/;

/** The policy. @throws UserError */
export function parseTc(commands: readonly string[]): Record<string, unknown> {
  const owners: Record<string, unknown>[] = [];
  for (const command of commands) {
    if (command.startsWith('#') || /^tc qdisc add dev .+ clsact$/.test(command)) continue;
    const match = FILTER.exec(command);
    if (match === null) throw new UserError(`tc: "${command}" is not understood`);
    const [, , vlan, mac, queue] = match;
    if (mac === undefined) continue;
    owners.push({ mac, ...(vlan === undefined ? {} : { vlan: Number(vlan) }), worker: Number(queue) });
  }
  return owners.length === 0 ? { policy: 'single' } : { policy: 'mac', assign: 'static', owners };
}
