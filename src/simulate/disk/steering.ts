/**
 * Who chooses the hardware queue of a request: the kernel's maps, the fewest requests, or a policy of the library.
 *
 * Promise: a policy is the shipped one, compiled with a worker for each queue that has an interrupt, and asked with a real
 * frame: the tenant's MAC is the destination, so `mac` gives each tenant an owner, `round-robin` deals out requests,
 * `rss` hashes threads. Polled requests always take the kernel's poll map: others do not find them.
 */
import { type QueueMaps, queueFor } from '../../block/queue-map.js';
import { UserError } from '../../errors.js';
import { arp, ethernet } from '../../packet/build.js';
import { compilePolicy } from '../../policy/compile.js';
import { parsePolicy } from '../../policy/parse.js';
import type { PolicySpec } from '../../policy/spec.js';
import { type Flows, macOf } from '../model/flows.js';
import { PolicyRunner } from '../model/policy-runner.js';
import type { HardwareQueue } from './device.js';

/** Port by which requests come, as policies see it. */
const REQUESTS = 'requests';

/** What chooses. */
export interface RequestSteering {
  readonly text: string;
  /** Index of the queue; `cpu` submits. */
  choose(flow: number, cpu: number, polled: boolean, read: boolean): number;
}

/** Steering by what the scenario says, `under` = the policy under test. @throws UserError */
export function requestSteering(
  given: string | object | undefined,
  under: PolicySpec | null,
  tenants: readonly string[],
  maps: QueueMaps,
  queues: readonly HardwareQueue[],
  flows: Flows,
): RequestSteering {
  const byMap = (cpu: number, polled: boolean, read: boolean) => queueFor(maps, cpu, { polled, read });
  const spec = given ?? under ?? 'hctx';
  if (spec === 'hctx') {
    return { text: 'hctx', choose: (_, cpu, polled, read) => byMap(cpu, polled, read) };
  }
  const steered = queues.filter(({ type }) => type !== 'poll');
  if (spec === 'least-loaded') {
    return {
      text: spec,
      choose: (_, cpu, polled, read) => (polled ? byMap(cpu, polled, read) : leastLoaded(steered)),
    };
  }
  const runner = compile(spec === under ? under : parsePolicy(spec), tenants, steered.length, flows);
  return {
    text: runner.steering.text,
    choose: (flow, cpu, polled, read) => {
      if (polled) return byMap(cpu, polled, read);
      runner.ask(flow, 0);
      return steered[runner.worker]!.index;
    },
  };
}

/** The queue with the fewest requests, of equal ones the first. */
function leastLoaded(queues: readonly HardwareQueue[]): number {
  let best = queues[0]!;
  let least = Number.POSITIVE_INFINITY;
  for (const queue of queues) {
    const load = queue.underWay + queue.waiting.length;
    if (load < least) {
      best = queue;
      least = load;
    }
  }
  return best.index;
}

function compile(spec: PolicySpec, tenants: readonly string[], queues: number, flows: Flows): PolicyRunner {
  const ports = [REQUESTS, ...tenants].map((name) => ({ name }));
  const isMac = spec.policy === 'mac';
  // The uplinks of a policy that NICs have too are those; here all requests come by one port.
  const own = isMac ? { ...spec, uplink: [REQUESTS] } : spec;
  const isNic = spec.policy === 'rss' || spec.policy === 'pools';
  const steering = compilePolicy(own, { ports, ...(isNic ? {} : { workers: queues }) });
  if (steering.workers > queues) {
    throw new UserError(
      `policy ${spec.text}: ${steering.workers} workers, but the disk has ${queues} queues`,
    );
  }
  const runner = new PolicyRunner(steering, flows, 0);
  tenants.forEach((_, i) => {
    const mac = macOf(i);
    const ip = `10.128.${(i + 2) >> 8}.${(i + 2) & 255}`;
    const announcement = arp({ operation: 1, senderMac: mac, senderIp: ip, targetIp: ip });
    runner.show(ethernet({ src: mac, dst: 'ff:ff:ff:ff:ff:ff' }, announcement), i + 1);
  });
  return runner;
}
