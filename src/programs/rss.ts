/**
 * RSS as a BPF program: hash type, Toeplitz, table.
 *
 * Promise: what `RssHash` gives, for every hash type but those of Mobile IPv6, for every key, start value and transform.
 */
import { Label } from '../bpf/assembler.js';
import { Reg } from '../bpf/opcodes.js';
import { HashType, hashTypeBit } from '../nic/hash-types.js';
import type { RssHashOptions } from '../nic/rss-hash.js';
import { Protocol } from '../packet/protocol.js';
import { dissect, type VersionOutcomes } from './dissect.js';
import { type FrameAssembler, INPUT } from './frame.js';
import { ToeplitzCode, transform } from './toeplitz.js';

const { r0, r8 } = Reg;
const EX_TYPES =
  hashTypeBit(HashType.ipv6Ex) | hashTypeBit(HashType.tcpIpv6Ex) | hashTypeBit(HashType.udpIpv6Ex);

/** Why there is no program for these options; empty: there is one. */
export function rssProblem(options: RssHashOptions): string {
  const { types, symmetric } = options;
  if ((options.function ?? 'toeplitz') !== 'toeplitz') {
    return `function=${options.function}: only Toeplitz is linear in the bytes`;
  }
  if ((types & EX_TYPES) !== 0) return 'types: those of Mobile IPv6 (-ex) need a walk through options';
  if ((types & hashTypeBit(HashType.mac)) !== 0 && symmetric !== 'none') {
    return `symmetric=${symmetric}: MAC addresses are hashed as they stand`;
  }
  return '';
}

/** What happens with the hash, and with a frame that has none (the hash is 0 then). */
export type LookUp = 'table' | 'scaled';

/**
 * Adds everything up to r0 = what the table says; then the program goes on behind it.
 * @param results by bucket, or by index of a list that the hash is scaled to
 */
export function addRss(
  p: FrameAssembler,
  options: RssHashOptions,
  results: ArrayLike<number>,
  how: LookUp,
): void {
  const { key, types, symmetric, start } = options;
  const has = (type: number) => (types & hashTypeBit(type)) !== 0;
  const hasIpv6 = key.length >= 40;
  const code = new ToeplitzCode(p, { key, inputBytes: hasIpv6 ? 36 : 12, results });
  const none = new Label();
  const hashed = new Label();
  const done = new Label();
  const outcomes = (tcp: number, udp: number): VersionOutcomes => ({
    plain: new Label(),
    fragment: new Label(),
    ports: new Map([
      ...(has(tcp) ? [[Protocol.tcp, new Label()] as const] : []),
      ...(has(udp) ? [[Protocol.udp, new Label()] as const] : []),
    ]),
  });
  const ipv4 = outcomes(HashType.tcpIpv4, HashType.udpIpv4);
  const ipv6 = outcomes(HashType.tcpIpv6, HashType.udpIpv6);
  const other = new Label();
  code.prepare();
  dissect(p, { other, ipv4, ipv6 });
  const version = (to: VersionOutcomes, words: number, plain: number, fragment: number) => {
    const bytes = 8 * words;
    const hash = (labels: Iterable<Label>, withPorts: boolean) => {
      let any = false;
      for (const label of labels) {
        p.place(label);
        any = true;
      }
      if (!any) return;
      transform(p, symmetric, INPUT, words);
      if (withPorts) transform(p, symmetric, INPUT + bytes, 'half');
      code.begin(start);
      code.add(0, withPorts ? bytes + 4 : bytes);
      p.goto(hashed);
    };
    hash(to.ports.values(), true);
    const isOwn = options.fragmentRule === 'own';
    const plainHashed = has(plain);
    const fragmentHashed = isOwn ? has(fragment) : plainHashed;
    const hashedLabels = [...(plainHashed ? [to.plain] : []), ...(fragmentHashed ? [to.fragment] : [])];
    hash(hashedLabels, false);
    if (!plainHashed) p.place(to.plain);
    if (!fragmentHashed) p.place(to.fragment);
    if (!plainHashed || !fragmentHashed) p.goto(none);
  };
  version(ipv4, 1, HashType.ipv4, HashType.fragIpv4);
  version(ipv6, 4, HashType.ipv6, HashType.fragIpv6);
  p.place(other);
  if (has(HashType.mac)) {
    p.fetch(0, null, INPUT, 12, none);
    code.begin(start);
    code.add(0, 12);
    p.goto(hashed);
  }
  p.place(none);
  if (how === 'scaled') {
    p.set(r8, 0);
    code.lookUpScaled();
  } else p.set(r0, 0);
  p.goto(done);
  p.place(hashed);
  if (options.isHalved === true) code.halve();
  if (how === 'scaled') code.lookUpScaled();
  else code.lookUp();
  p.place(done);
}
