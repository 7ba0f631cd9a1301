/**
 * `rxsteer explain`: which worker gets this packet, and why.
 *
 * Promise: the decision is made by the same code as in the forwarder; the JSON has the fields of the contract and
 * absent values are null. Policies with state see the packets before the one in question first.
 */
import type { Command } from 'commander';
import { UserError } from '../errors.js';
import { parseHex } from '../hash/hex.js';
import type { HashTypeName } from '../nic/hash-types.js';
import { flowFrame, parseFlow } from '../packet/flow-text.js';
import { compileAlone, insistsOnNative, parseAlone } from '../policy/compile-plain.js';
import { type Explanation, explainAt, explainFrame } from '../policy/explanation.js';
import type { Steering } from '../policy/steering.js';
import { policyAssumptions, policyWarnings } from '../policy/warnings.js';
import { macOption, wholeNumber } from './numbers.js';
import { formatFields, noteLine, print, printJson } from './output.js';

/** Longest frame that `--frame` takes: the largest IP packet, and two tags. */
const FRAME_BYTES_MAX = 65535 + 14 + 8;

/** Steers packets 1 … `number` of a capture and tells about the last. @throws UserError where there are fewer. */
async function explainPacket(steering: Steering, file: string, number: number): Promise<Explanation> {
  const { feedCapture } = await import('./capture-feed.js');
  const { burst, index } = await feedCapture(steering, file, number);
  return explainAt(steering, burst, index);
}

interface Flags {
  readonly policy: string;
  readonly flow?: string;
  readonly frame?: string;
  readonly capture?: string;
  readonly packet?: string;
  readonly vlan?: string;
  readonly srcMac?: string;
  readonly dstMac?: string;
  readonly workers?: string;
  readonly json?: boolean;
}

/** The frame that --flow or --frame gives, or null where a capture does. */
function frameOf(flags: Flags): Uint8Array | null {
  const sources = ['flow', 'frame', 'capture'].filter((name) => name in flags);
  if (sources.length !== 1) {
    const given = sources.map((name) => `--${name}`).join(' and ');
    throw new UserError(`${given || 'no packet'} given: one of --flow, --frame, --capture is needed`);
  }
  if (flags.packet !== undefined && flags.capture === undefined) {
    throw new UserError('--packet: goes with --capture only');
  }
  if (flags.flow === undefined) {
    const stray = (['vlan', 'srcMac', 'dstMac'] as const).find((name) => flags[name] !== undefined);
    if (stray !== undefined) {
      const flag = { vlan: '--vlan', srcMac: '--src-mac', dstMac: '--dst-mac' }[stray];
      throw new UserError(`${flag}: goes with --flow only; a ${sources[0]} has its own`);
    }
  }
  if (flags.flow !== undefined) {
    const srcMac = macOption(flags.srcMac, '--src-mac');
    const dstMac = macOption(flags.dstMac, '--dst-mac');
    return flowFrame(parseFlow(flags.flow, '--flow'), {
      vlans: flags.vlan === undefined ? [] : [wholeNumber(flags.vlan, 0, 4095, '--vlan')],
      ...(srcMac === undefined ? {} : { srcMac }),
      ...(dstMac === undefined ? {} : { dstMac }),
    });
  }
  if (flags.frame === undefined) return null;
  const frame = parseHex(flags.frame.replace(/\s+/g, ''), '--frame');
  if (frame.length === 0 || frame.length > FRAME_BYTES_MAX) {
    throw new UserError(`--frame: ${frame.length} bytes; 1 to ${FRAME_BYTES_MAX} are permitted`);
  }
  return frame;
}

/** The hash type that would cover the packet best, on some NIC. */
function typeOf({ packet }: Explanation): HashTypeName {
  const version = packet.src?.includes(':') === true ? 'ipv6' : 'ipv4';
  const transport =
    packet.sport === null ? '' : packet.protocol === 6 ? 'tcp-' : packet.protocol === 17 ? 'udp-' : '';
  return `${transport}${version}`;
}

function toText({ packet, hash, bucket, queue, worker, reason }: Explanation, assumed: string[]): string {
  const ports = packet.sport === null ? ['', ''] : [` port ${packet.sport}`, ` port ${packet.dport}`];
  const fields: [string, string][] = [
    [
      'packet',
      `${packet.length} bytes, ethertype ${packet.ethertype ?? 'none'}${packet.fragment ? ', fragment' : ''}`,
    ],
  ];
  if (packet.vlans.length > 0) fields.push(['vlans', packet.vlans.join(' ')]);
  if (packet.src !== null) {
    fields.push(['from', `${packet.src}${ports[0]}`], ['to', `${packet.dst}${ports[1]}`]);
    fields.push(['protocol', String(packet.protocol)]);
  }
  if (hash !== null) {
    fields.push(
      ['hash', `${hash.value} (${hash.function}, ${hash.type})`],
      ['input', hash.input],
      ['key', hash.key ?? 'none'],
    );
  }
  if (bucket !== null) fields.push(['bucket', String(bucket)]);
  if (queue !== null) fields.push(['queue', String(queue)]);
  fields.push(['worker', String(worker)], ['reason', reason]);
  for (const text of assumed) fields.push(['assumed', text.replace(/^assumed /, '')]);
  return formatFields(fields);
}

/** About the packet of the call. */
async function explained(steering: Steering, flags: Flags): Promise<Explanation> {
  const frame = frameOf(flags);
  if (frame !== null) return explainFrame(steering, frame);
  return explainPacket(steering, flags.capture!, wholeNumber(flags.packet ?? '1', 1, 1e12, '--packet'));
}

function tell(explanation: Explanation, assumed: string[], isJson: boolean): void {
  if (isJson) printJson(assumed.length === 0 ? explanation : { ...explanation, assumed });
  else print(toText(explanation, assumed));
}

/** What a host does with the packet, as it is set now. */
async function explainHost(flags: Flags): Promise<void> {
  if (flags.workers !== undefined) {
    throw new UserError('--workers: a host has the CPUs that it has; leave it out with host:DEV');
  }
  const { hostSteering } = await import('../host/policy/host-policy.js');
  const steering = await hostSteering(flags.policy);
  tell(await explained(steering, flags), [...steering.assumed], flags.json === true);
}

export function register(program: Command): void {
  program
    .command('explain')
    .description('which worker gets a packet, and why')
    .requiredOption('--policy <policy>', 'NAME, NAME:key=value,… or @FILE')
    .option('--flow <flow>', '"tcp 192.0.2.1:1000 > 192.0.2.2:80"; udp, sctp; icmp, ip without ports')
    .option('--frame <hex>', 'an Ethernet frame')
    .option('--capture <file>', 'a pcap or pcapng file, with --packet')
    .option('--packet <n>', 'number of the packet in the capture, from 1; those before it are fed first')
    .option('--vlan <id>', 'VLAN tag of the --flow')
    .option('--src-mac <mac>', 'source MAC of the --flow')
    .option('--dst-mac <mac>', 'destination MAC of the --flow')
    .option('--workers <n>', 'number of workers (default: from the policy)')
    .option('--json', 'print JSON')
    .allowExcessArguments(false)
    .action(async (flags: Flags) => {
      if (/^host(:|$)/.test(flags.policy)) {
        await explainHost(flags);
        return;
      }
      const spec = await parseAlone(flags.policy);
      const steering = await compileAlone(spec, {
        ...(flags.workers === undefined ? {} : { workers: wholeNumber(flags.workers, 1, 1024, '--workers') }),
        // For one packet the addon need not be loaded.
        ...(insistsOnNative(spec)
          ? { kernels: (await import('../addon/hash-kernels.js')).nativeHashKernels() }
          : {}),
      });
      for (const warning of policyWarnings(steering)) noteLine(`rxsteer: warning: ${warning}`);
      const explanation = await explained(steering, flags);
      tell(explanation, policyAssumptions(spec, [typeOf(explanation)]), flags.json === true);
    });
}
