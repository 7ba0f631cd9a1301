/**
 * Flows as people write them, and the frames that stand for them.
 *
 *     tcp 66.9.149.187:2794 > 161.142.100.80:1766
 *     udp [2001:db8::1]:53 > [2001:db8::2]:4000
 *     icmp 192.0.2.1 > 192.0.2.2          (ip: neither ports nor a known protocol)
 *
 * Promise: what does not fit that form is a UserError that shows it. Pure; not for the hot path.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { inArea, UserError } from '../errors.js';
import { ethernet, icmp, icmpv6, ipv4, ipv6, type Payload, sctp, type Transport, tcp, udp } from './build.js';

/** Protocols that flow text knows. */
export const FLOW_PROTOCOLS = ['tcp', 'udp', 'sctp', 'icmp', 'ip'] as const;
/** One of `FLOW_PROTOCOLS`. */
export type FlowProtocol = (typeof FLOW_PROTOCOLS)[number];

/** IANA's first protocol number for experiments: an IP packet that nobody looks into. */
const EXPERIMENT = 253;
/** Ethernet's minimum without the check sequence. */
const MINIMUM_FRAME = 60;

/** A directed flow. */
export interface Flow {
  readonly protocol: FlowProtocol;
  readonly version: 4 | 6;
  readonly src: string;
  readonly dst: string;
  /** 0 for protocols without ports. */
  readonly sport: number;
  readonly dport: number;
}

const FORM = 'expected such as "tcp 192.0.2.1:1000 > 192.0.2.2:80", IPv6 addresses in brackets';

function parseEnd(text: string, wantsPort: boolean, place: string): { address: string; port: number } {
  const match = /^(?:\[([^\]]*)\]|([^[\]:]*)|([^[\]]*))(?::(\d+))?$/.exec(text.trim());
  const address = match?.[1] ?? match?.[2] ?? match?.[3] ?? '';
  const bracketed = match?.[1] !== undefined;
  const valid = isIPv4(address) ? !bracketed : isIPv6(address) && !address.includes('%');
  if (match === null || !valid) {
    throw new UserError(
      `${place}: "${text.trim()}" is not an IP address${wantsPort ? ' with port' : ''}; ${FORM}`,
    );
  }
  if (!wantsPort) {
    if (match[4] !== undefined)
      throw new UserError(`${place}: "${text.trim()}": no port is wanted here; ${FORM}`);
    return { address, port: 0 };
  }
  const port = Number(match[4]);
  if (match[4] === undefined) throw new UserError(`${place}: "${text.trim()}" has no port; ${FORM}`);
  if (port > 65535) throw new UserError(`${place}: port ${match[4]}: ports are 0 to 65535`);
  return { address, port };
}

/** @param place names where the text stands, for errors. @throws UserError */
export function parseFlow(text: string, place: string): Flow {
  return inArea('RXS_FLOW', () => parsed(text, place));
}

function parsed(text: string, place: string): Flow {
  const match = /^\s*([a-z]+)\s+(.*?)\s*(?:->|>)\s*(.*?)\s*$/i.exec(text);
  if (match === null) throw new UserError(`${place}: "${text}" is not a flow; ${FORM}`);
  const protocol = match[1]!.toLowerCase() as FlowProtocol;
  if (!FLOW_PROTOCOLS.includes(protocol)) {
    throw new UserError(`${place}: protocol "${match[1]}" is not one of ${FLOW_PROTOCOLS.join(', ')}`);
  }
  const wantsPort = protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp';
  const from = parseEnd(match[2]!, wantsPort, place);
  const to = parseEnd(match[3]!, wantsPort, place);
  if (isIPv4(from.address) !== isIPv4(to.address)) {
    throw new UserError(`${place}: one address is IPv4, the other IPv6`);
  }
  return {
    protocol,
    version: isIPv4(from.address) ? 4 : 6,
    src: from.address,
    dst: to.address,
    sport: from.port,
    dport: to.port,
  };
}

function transportOf(flow: Flow): Transport | Payload {
  const { sport, dport } = flow;
  switch (flow.protocol) {
    case 'tcp':
      return tcp({ sport, dport });
    case 'udp':
      return udp({ sport, dport });
    case 'sctp':
      return sctp({ sport, dport });
    case 'icmp':
      return flow.version === 4 ? icmp({ type: 8 }) : icmpv6({ type: 128 });
    case 'ip':
      return 8;
  }
}

/** Link layer of the frame. */
export interface FlowFrameOptions {
  readonly vlans?: readonly number[];
  readonly srcMac?: string;
  readonly dstMac?: string;
}

/** A first packet of the flow, padded to Ethernet's minimum. */
export function flowFrame(flow: Flow, options: FlowFrameOptions = {}): Uint8Array {
  const addresses = { src: flow.src, dst: flow.dst };
  const header = flow.protocol === 'ip' ? { ...addresses, protocol: EXPERIMENT } : addresses;
  const payload = transportOf(flow);
  return ethernet(
    {
      vlans: options.vlans ?? [],
      padTo: MINIMUM_FRAME,
      ...(options.srcMac === undefined ? {} : { src: options.srcMac }),
      ...(options.dstMac === undefined ? {} : { dst: options.dstMac }),
    },
    flow.version === 4 ? ipv4(header, payload) : ipv6(header, payload),
  );
}
