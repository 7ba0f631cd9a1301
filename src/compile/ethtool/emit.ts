/**
 * A policy in the words of `ethtool`: RSS, or a flow rule for each owned MAC address.
 *
 * Promise: steps in the order that works; the undo is the reverse, to what was read. Pure.
 */
import { known } from '../../host/fact.js';
import type { MacSteering } from '../../policy/mac.js';
import { lowerMac } from '../../policy/owners.js';
import type { MacSpec } from '../../policy/spec.js';
import {
  type Cannot,
  type Compiled,
  deviceOf,
  Inexpressible,
  type Request,
  UNDO_UNKNOWN,
} from '../back-end.js';
import { channelSteps, emitRss, featureSteps, tableUndo } from './emit-rss.js';
import { Steps } from './plan.js';

const TARGET = 'ethtool';

const WHY: Readonly<Record<string, string>> = {
  rps: 'RPS is the kernel’s (--to sysfs)',
  rfs: 'RFS is the kernel’s (--to sysfs); NICs place flows for it by themselves (ethtool -K ntuple on)',
  'mac-hash': 'no NIC hashes the MAC addresses of IP packets for RSS (--to bpf, xdp)',
  pools: 'pools are set by the driver: virtual functions, or macvlan with l2-fwd-offload',
  'round-robin': 'a NIC keeps a flow on its queue',
  js: 'a module of JavaScript does not run in a NIC',
};

/** @throws Inexpressible */
export function emitEthtool(request: Request): Compiled {
  const { spec, now } = request;
  const why = WHY[spec.policy];
  if (why !== undefined) throw new Inexpressible(TARGET, spec, why);
  if (now !== null && now.kind !== 'nic' && !known(now.rss)) {
    throw new Inexpressible(TARGET, spec, `${now.name} is a ${now.kind}: it has no indirection table`);
  }
  const steps = new Steps(deviceOf(request));
  const cannot: Cannot[] = [];
  if (spec.policy === 'rss') emitRss(request, steps, cannot);
  else if (spec.policy === 'mac') emitMac(request, spec, steps, cannot);
  else steps.add('-X', 'equal 1', tableUndo(now));
  if (now === null) return { target: TARGET, commands: steps.commands, undo: [UNDO_UNKNOWN], cannot };
  for (const command of steps.lacksUndo) {
    cannot.push({
      what: `undo of "${command}"`,
      why: 'what was set before could not be read, or has no words',
    });
  }
  return { target: TARGET, commands: steps.commands, undo: steps.undo, cannot };
}

/** A rule for each owner; what has none goes to queue 0. */
function emitMac(request: Request, spec: MacSpec, steps: Steps, cannot: Cannot[]): void {
  const { now, steering } = request;
  noteLearning(spec, cannot);
  const used = new Set(now !== null && known(now.rules) ? now.rules.map(({ location }) => location) : []);
  channelSteps((steering as MacSteering).workers, request, steps, cannot);
  featureSteps(now, 'ntuple', 'ntuple-filters', steps);
  steps.add('-X', 'equal 1', tableUndo(now));
  let next = 0;
  spec.owners.forEach((owner, index) => {
    if (owner.vlan === 0) {
      cannot.push({ what: `owners[${index}]: vlan 0`, why: 'a rule cannot ask for a frame without a tag' });
      return;
    }
    while (used.has(next)) next++;
    const location = next++;
    // The bits of a mask of ethtool are those that do not matter: priority and DEI.
    const vlan = owner.vlan === undefined ? '' : ` vlan ${owner.vlan} m 0xf000`;
    const queue = owner.worker ?? owner.cpu ?? 0;
    const rule = `flow-type ether dst ${lowerMac(owner.mac)}${vlan} action ${queue} loc ${location}`;
    steps.add('-N', rule, `delete ${location}`);
  });
}

/** What of MAC steering is not in a table of owners. */
export function noteLearning(spec: MacSpec, cannot: Cannot[]): void {
  if (spec.assign !== 'static') {
    cannot.push({
      what: `assign=${spec.assign}`,
      why: 'nothing is learned: only owners that the policy names are set (owners in a policy file)',
    });
  }
  const ports = Object.keys(spec.ports);
  if (ports.length > 0) {
    cannot.push({ what: `ports ${ports.join(', ')}`, why: 'a device has no ports of the forwarder' });
  }
}
