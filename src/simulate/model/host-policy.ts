/**
 * The policy under test on a host: in its NICs, or behind them.
 *
 * Promise: compiled by the library. Stage `nic` chooses queues (of a policy without queues, worker = queue); stage `cpu`
 * chooses CPUs by software on the CPU that received, behind whatever the NIC's own policy is. Workers of rps and rfs are
 * CPUs; those of other policies are the scenario's `workers`, else all CPUs in order.
 */
import { UserError } from '../../errors.js';
import { arp, ethernet } from '../../packet/build.js';
import { compilePolicy } from '../../policy/compile.js';
import { MacSteering } from '../../policy/mac.js';
import { parsePolicy } from '../../policy/parse.js';
import type { PolicySpec } from '../../policy/spec.js';
import type { PolicyPort, Steering } from '../../policy/steering.js';
import { placed } from '../scenario/place.js';
import { macOf } from './flows.js';
import type { Guest } from './guest.js';
import type { Parts } from './parts.js';
import type { PolicyRunner } from './policy-runner.js';
import type { HostSide } from './sides.js';

/** What a NIC gets of it. */
export interface NicSteering {
  readonly queues: number;
  /** Chooses the queue; null = queue 0. */
  readonly chooser: Steering | null;
  /** Chooses a CPU behind the queue; null = none does. */
  readonly behind: Steering | null;
}

export interface HostPolicy {
  /** As it was given, or `none`. */
  readonly text: string;
  readonly spec: PolicySpec | null;
  /** CPU of each worker. */
  readonly cpus: readonly number[];
  readonly ports: readonly PolicyPort[];
  forNic(port: number): NicSteering;
  /** Another policy in its place. */
  parse(policy: string | object): PolicySpec;
  compile(spec: PolicySpec, nicQueues: number): Steering;
  /** Guests announce themselves, so that policies that learn know them. */
  introduce(side: HostSide, guests: readonly Guest[]): void;
  /** The same, to one policy only. */
  introduceTo(runner: PolicyRunner, guests: readonly Guest[]): void;
}

/** @param place where the policy stands in the scenario; null = not there. @throws UserError */
export function compileHostPolicy(
  parts: Parts,
  given: string | object | null,
  place: string | null,
  guests: readonly string[],
): HostPolicy {
  const { scenario, topology } = parts;
  const nics = Object.entries(scenario.nics);
  const ports = [...nics.map(([name]) => name), ...guests].map((name) => ({ name }));
  const all = topology.places.map((_, cpu) => cpu);
  const inPlace = <T>(call: () => T): T => (place === null ? call() : placed(place, call));
  const parsed =
    given === null
      ? null
      : inPlace(() =>
          withUplinks(
            parsePolicy(given),
            nics.map(([name]) => name),
          ),
        );
  if (parsed !== null) inPlace(() => checkOrder(parsed));
  const isByCpu = parsed?.policy === 'rps' || parsed?.policy === 'rfs';
  const cpus = isByCpu ? all : (scenario.workers ?? all);
  const high = cpus.find((cpu) => cpu >= all.length);
  if (high !== undefined)
    throw new UserError(`workers: CPU ${high} does not exist; CPUs: 0 to ${all.length - 1}`);
  const workersOf = (spec: PolicySpec, nicQueues: number) => {
    if (spec.policy === 'rss' || spec.policy === 'pools') return undefined;
    return spec.stage === 'nic' ? nicQueues : cpus.length;
  };
  const compile = (spec: PolicySpec, nicQueues: number): Steering => {
    const workers = workersOf(spec, nicQueues);
    return compilePolicy(spec, { ports, ...(workers === undefined ? {} : { workers }) });
  };
  return {
    ...{ text: parsed?.text ?? 'none', spec: parsed, cpus, ports },
    parse: (policy) => {
      const spec = withUplinks(
        parsePolicy(policy),
        nics.map(([name]) => name),
      );
      checkOrder(spec);
      return spec;
    },
    compile,
    introduceTo: (runner, built) => introduceTo(runner, built, nics.length, cpus),
    forNic: (port) => {
      const [name, nic] = nics[port]!;
      if (parsed !== null && parsed.stage === 'nic') {
        const steering = inPlace(() => compile(parsed, nic.queues));
        return {
          chooser: steering,
          behind: null,
          queues: Math.max(steering.queues, steering.workers, nic.queues),
        };
      }
      const own = nic.policy ?? (nic.queues > 1 ? `rss:queues=${nic.queues}` : null);
      const chooser =
        own === null
          ? null
          : placed(`nics.${name}.policy`, () => compile({ ...parsePolicy(own), stage: 'nic' }, nic.queues));
      return {
        chooser,
        behind:
          parsed === null || parsed.policy === 'single' ? null : inPlace(() => compile(parsed, nic.queues)),
        queues: Math.max(nic.queues, chooser?.queues ?? 1),
      };
    },
    introduce: (side, built) => {
      for (const { nic, policy } of side.nics.values()) {
        for (const runner of [nic.chooser, policy?.runner]) {
          if (runner === null || runner === undefined) continue;
          introduceTo(runner, built, nics.length, cpus);
        }
      }
    },
  };
}

/** A flow can wait where software steers. @throws UserError */
function checkOrder({ policy, order, stage }: PolicySpec): void {
  if (order !== 'strict' || stage !== 'nic') return;
  throw new UserError(
    `policy ${policy}: order=strict with stage=nic: a NIC's table does not wait for a flow; expected stage=cpu, or order=none`,
  );
}

/** A NIC of the host is an uplink of MAC steering, unless the policy says what is. */
function withUplinks(spec: PolicySpec, nics: readonly string[]): PolicySpec {
  return spec.policy === 'mac' && spec.uplink.length === 0 ? { ...spec, uplink: [...nics] } : spec;
}

function introduceTo(
  runner: PolicyRunner,
  guests: readonly Guest[],
  firstPort: number,
  cpus: readonly number[],
): void {
  const { steering } = runner;
  guests.forEach((guest, i) => {
    const port = firstPort + i;
    const worker = cpus.indexOf(guest.consumerCpu);
    if (steering instanceof MacSteering && worker >= 0 && worker < steering.workers) {
      if (steering.spec.policy === 'mac' && steering.spec.assign === 'follow-cpu') {
        steering.owners.setPortOwner(port, worker);
      }
    }
    const mac = macOf(i);
    const ip = `10.128.${(i + 2) >> 8}.${(i + 2) & 255}`;
    const announcement = arp({ operation: 1, senderMac: mac, senderIp: ip, targetIp: ip });
    runner.show(ethernet({ src: mac, dst: 'ff:ff:ff:ff:ff:ff' }, announcement), port);
  });
}
