/**
 * `host:DEV[,root=TREE][,key=value…]`: what a host does with a packet of a device, as a policy.
 *
 * Promise: read by the doctor's readers, from the running host or from a collected tree. What cannot be read is a UserError that
 * says why and how to give it: `cpus=0-3` (the CPU that receives each queue), and the keys of `rss` (key, types, entries, …).
 */
import { UserError } from '../../errors.js';
import { randomKey } from '../../hash/keys.js';
import { type LinuxBehaviour, linuxBehaviour, MODERN } from '../../linux/version.js';
import { compilePolicy } from '../../policy/compile.js';
import { parseCpuList, parsePolicy } from '../../policy/parse.js';
import type { RssSteering } from '../../policy/rss.js';
import { liveAsker } from '../ask/asker.js';
import { type Fact, known } from '../fact.js';
import type { Device, Host } from '../host.js';
import { nicRss } from '../nic-rss.js';
import { rulesOfDevice } from '../nic-rules.js';
import { sysctlNumber } from '../read/sysctls.js';
import { readHost } from '../read-host.js';
import { LiveSource } from '../source/live.js';
import { openTree } from '../source/open.js';
import { cpuOfQueue, deviceNamed } from '../view.js';
import { type HostQueue, HostSteering } from './host-steering.js';

const KEY_BYTES = 16;

/** Whether a policy string is one of these. */
export function isHostPolicy(policy: string): boolean {
  return /^host(:|$)/.test(policy.trim());
}

interface Asked {
  readonly text: string;
  readonly device: string;
  readonly root: string | null;
  readonly cpus: readonly number[] | null;
  /** Keys of `rss`. */
  readonly rss: Readonly<Record<string, string>>;
}

/** @throws UserError */
function parseAsked(policy: string): Asked {
  const text = policy.trim();
  const [device = '', ...pairs] = text.slice('host:'.length).split(',');
  if (!text.startsWith('host:') || device === '' || device.includes('=')) {
    throw new UserError(`policy ${text}: a device is needed: host:DEV`, { code: 'RXS_POLICY' });
  }
  const given: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new UserError(`policy host: "${pair}" is not key=value`, { code: 'RXS_POLICY' });
    given[pair.slice(0, equals).trim()] = pair.slice(equals + 1).trim();
  }
  const { root, cpus, ...rss } = given;
  return {
    text,
    device,
    root: root ?? null,
    cpus: cpus === undefined ? null : parseCpuList('policy host: cpus', cpus),
    rss,
  };
}

/** Reads the host and compiles what it does. @throws UserError */
export async function hostSteering(policy: string): Promise<HostSteering> {
  const asked = parseAsked(policy);
  const place = `policy host: root=${asked.root}`;
  const source = asked.root === null ? new LiveSource(liveAsker()) : await openTree(asked.root, place);
  const host = await readHost(source, { role: null, second: async () => null, now: () => performance.now() });
  return steeringOf(host, asked);
}

/** The same of a host that was read. @throws UserError */
export function hostSteeringOf(host: Host, policy: string): HostSteering {
  return steeringOf(host, parseAsked(policy));
}

function missing(text: string, why: string, give: string): UserError {
  return new UserError(`policy ${text}: ${why}: ${give}`, { code: 'RXS_POLICY' });
}

function steeringOf(host: Host, asked: Asked): HostSteering {
  const device = deviceNamed(host, asked.device);
  if (device === null) {
    const names = host.devices.map(({ name }) => name).join(', ') || 'none';
    throw new UserError(`policy ${asked.text}: ${host.source} has no such device; devices: ${names}`, {
      code: 'RXS_NO_INTERFACE',
    });
  }
  const assumed: string[] = [];
  const rss = rssOf(device, asked, assumed);
  const count = rss?.queues ?? 1;
  const queues = Array.from({ length: count }, (_, queue) => queueOf(device, queue, asked, assumed));
  const feature = known(device.features) ? device.features['receive-hashing'] : undefined;
  const hashGiven = rss !== null && (feature?.on ?? true);
  if (queues.some(({ rps }) => rps.length > 1)) {
    if (rss !== null && feature === undefined)
      assumed.push('assumed that the NIC gives its hash (ethtool -K rxhash on)');
    assumed.push(
      hashGiven
        ? 'the key of the kernel’s own hash is not known: packets whose ports the NIC does not hash may go to another CPU of the map'
        : 'the key of the kernel’s hash is not known: a flow may go to another CPU of the map, the shares are as here',
    );
  }
  noteRfs(host, device, assumed);
  if (known(device.threaded) && device.threaded) {
    assumed.push(
      'threaded NAPI: a queue is received where its thread runs, which may be another CPU than its interrupt’s',
    );
  }
  return new HostSteering({
    text: asked.text,
    device: device.name,
    cpus: Math.max(0, ...host.cpus.possible, ...queues.flatMap(({ cpu, rps }) => [cpu, ...rps])) + 1,
    online: host.cpus.online,
    rss,
    queues,
    hashGiven,
    key: randomKey(KEY_BYTES, 1),
    behaviour: behaviourOf(host),
    assumed: [...new Set(assumed)],
  });
}

/** How the host's kernel hashes; of one that is not known, as a current one does. */
function behaviourOf({ kernel }: Host): LinuxBehaviour {
  const release = known(kernel) ? /^\d+\.\d+/.exec(kernel)?.[0] : undefined;
  return release === undefined ? MODERN : linuxBehaviour(release);
}

/** Devices without hardware, whose receive queues others choose. */
const CHOOSERS: Readonly<Partial<Record<Device['kind'], string>>> = {
  tap: 'who writes a frame chooses its queue (each descriptor of the TAP is one)',
  tun: 'who writes a packet chooses its queue (each descriptor of the TUN is one)',
  veth: 'the transmit queue of the other end chooses',
};

/** The NIC's choice; null where there is one queue. */
function rssOf(device: Device, { text, rss: given }: Asked, assumed: string[]): RssSteering | null {
  const isGiven = Object.keys(given).length > 0;
  const found: Fact<Record<string, unknown>> = nicRss(device);
  if (!known(found) && !isGiven) {
    if (device.rx.length <= 1) return null;
    const why = CHOOSERS[device.kind] ?? `what chooses among them could not be read (${found.unknown})`;
    throw missing(
      text,
      `${device.rx.length} receive queues, and ${why}`,
      'give it with the keys of rss: key=HEX, types=…, equal=N or entries=…',
    );
  }
  const fills = ['entries', 'weight', 'equal', 'table', 'queues'].some((name) => given[name] !== undefined);
  const read: Record<string, unknown> = known(found)
    ? { ...(found as Record<string, unknown>) }
    : { policy: 'rss', queues: device.rx.length };
  if (fills) {
    delete read.entries;
    delete read.queues;
  }
  const compiled = (rules: object): RssSteering => {
    const spec = parsePolicy({ ...read, ...rules, ...given, policy: 'rss' });
    if (spec.policy !== 'rss') throw new Error('an rss policy was asked for');
    return compilePolicy(spec) as RssSteering;
  };
  return withRules(device, given.rules !== undefined, compiled, assumed);
}

/** The policy with the device's flow rules, where the model of its NIC has such; else without, which is said. */
function withRules(
  device: Device,
  areGiven: boolean,
  compiled: (rules: object) => RssSteering,
  assumed: string[],
): RssSteering {
  const plain = compiled({});
  if (areGiven) return plain;
  if (!known(device.rules)) {
    // Drivers without flow rules (virtio) have none to follow.
    if (device.rules.because !== 'absent')
      assumed.push(`assumed that there are no flow rules (${device.rules.unknown})`);
    return plain;
  }
  if (device.rules.length === 0) return plain;
  const { rules, contexts, left } = rulesOfDevice(device.rules, plain.queues);
  if (rules.length === 0) {
    assumed.push(...left);
    return plain;
  }
  try {
    const ruled = compiled({ rules, ...(contexts.length === 0 ? {} : { contexts }) });
    assumed.push(...left);
    return ruled;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    assumed.push(`${device.rules.length} flow rules are set and not followed: ${error.message}`);
    return plain;
  }
}

/** Where a queue is received, and its RPS. @throws UserError where that has to be given */
function queueOf(device: Device, queue: number, { text, cpus }: Asked, assumed: string[]): HostQueue {
  const rx = device.rx.find((one) => one.queue === queue);
  if (rx !== undefined && !known(rx.rps)) {
    throw missing(text, `RPS of rx-${queue} could not be read (${rx.rps.unknown})`, 'ask as a user who may');
  }
  const rps = rx === undefined || !known(rx.rps) ? [] : rx.rps;
  const given = cpus === null ? undefined : cpus[queue % cpus.length];
  const cpu = given ?? cpuOfQueue(device, queue);
  if (cpu !== null) return { cpu, rps };
  if (rps.length > 0) {
    // The CPU of the map processes it; where it was received costs a hand-off more or less.
    assumed.push(
      `assumed that queue ${queue} is received on CPU ${rps[0]}: no interrupt of it is known (cpus=LIST)`,
    );
    return { cpu: rps[0]!, rps };
  }
  throw missing(
    text,
    `the CPU that receives queue ${queue} is not known (no interrupt of it, or one that may go to several)`,
    'give cpus=LIST, one for each queue',
  );
}

function noteRfs(host: Host, device: Device, assumed: string[]): void {
  const entries = sysctlNumber(host.sysctls, 'net.core.rps_sock_flow_entries');
  const isOn = known(entries) && entries > 0 && device.rx.some(({ flows }) => known(flows) && flows > 0);
  if (isOn)
    assumed.push('RFS is on: a flow whose application has read goes to that CPU; here RPS decides alone');
}
