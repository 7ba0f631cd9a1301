/**
 * Dissection, the descriptor that it packs, and steering.
 *
 * Promises: nothing outside a frame is read (at the very end of a buffer a read beyond throws; surrounded by noise it
 * would change a result); fields and descriptor equal those of a slow reader written from the RFCs alone; every policy
 * names a worker that there is; an explanation never throws.
 */
import { Burst, Kind } from '#rxsteer/packet/burst.js';
import { DESCRIPTOR_WORDS } from '#rxsteer/packet/descriptor.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';
import { explainFrame } from '#rxsteer/policy/explanation.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { descriptorParts, frameSeeds } from '../../support/frame-seeds.js';
import type { FuzzTarget } from '../driver.js';
import { must } from '../promise.js';
import { readSlowly } from '../slow-reader.js';

const WORKERS = 4;
const PORT = 5;
const MOST = 400;

const POLICIES = [
  'rss:queues=4,types=ipv4+tcp-ipv4+udp-ipv4+ipv6+tcp-ipv6+udp-ipv6+ipv6-ex+tcp-ipv6-ex+udp-ipv6-ex',
  'rss:queues=4,inner=ipip+gre+nvgre+vxlan+vxlan-gpe+geneve+gtpu+mpls+pppoe',
  'pools:nic=ixgbe-82599',
  'rps:cpus=0-3',
  'rps:cpus=0-3,hash=toeplitz',
  'mac-hash:fields=both,queues=4',
  'mac',
].map((text) => compilePolicy(parsePolicy(text), { workers: WORKERS }));

const FIELDS = [
  ...['kind', 'ethertype', 'l3', 'l4', 'vlan', 'dmacHi', 'dmacLo', 'smacHi', 'smacLo'],
  ...['flow', 'hash', 'hashType', 'worker', 'bucket'],
] as const;
type Field = 'kind';

const single = new Burst(new Uint8Array(MOST));
const apart = new Burst(new Uint8Array(3 * MOST));

/** The frame alone in a burst, at this place of its buffer. */
function place(burst: Burst, at: number, frame: Uint8Array): void {
  burst.bytes.set(frame, at);
  burst.port = PORT;
  burst.n = 0;
  burst.add(at, frame.length);
  dissectBurst(burst);
}

function checkDescriptor(frame: Uint8Array): void {
  const wanted = descriptorParts(frame, single.id[0]!, readSlowly(frame).vlan, PORT);
  const packed = single.parts.subarray(2, DESCRIPTOR_WORDS);
  for (const [k, word] of wanted.entries())
    must(packed[k] === word, `word ${k} of the descriptor is ${packed[k]}, not ${word}`);
}

export const frames: FuzzTarget = {
  name: 'frames',
  covers: /\/dist\/(packet|linux|nic|policy)\//,
  maxBytes: MOST - 8,
  seeds: () => [...frameSeeds(), new Uint8Array(0)],
  check(frame) {
    const start = MOST - frame.length;
    place(single, start, frame);
    // Never 0, so that a read beyond would matter.
    for (let i = 0; i < apart.bytes.length; i++)
      apart.bytes[i] = (Math.imul(i + frame.length, 0x9e37) >>> 5) | 1;
    place(apart, MOST, frame);
    const slow = readSlowly(frame);
    const kind = single.kind[0]!;
    must(single.ethertype[0] === slow.ethertype, `ethertype ${single.ethertype[0]}, not ${slow.ethertype}`);
    must(single.vlan[0] === slow.vlan, `VLAN ${single.vlan[0]}, not ${slow.vlan}`);
    must((kind & Kind.ipMask) === slow.version, `IP version ${kind & Kind.ipMask}, not ${slow.version}`);
    must(((kind & Kind.addresses) !== 0) === slow.addresses, `addresses ${!slow.addresses}`);
    must(((kind & Kind.fragment) !== 0) === slow.fragment, `fragment ${!slow.fragment}`);
    must(((kind & Kind.ports) !== 0) === slow.ports >= 0, `ports ${slow.ports < 0}`);
    if (slow.ports >= 0)
      must(single.l4[0]! - start === slow.ports, `ports at ${single.l4[0]! - start}, not ${slow.ports}`);
    checkDescriptor(frame);
    for (const steering of POLICIES) {
      steering.steer(single);
      steering.steer(apart);
      const worker = single.worker[0]!;
      must(worker >= 0 && worker < WORKERS, `worker ${worker} under ${steering.spec.policy}`);
      for (const field of FIELDS) {
        const shift = field === 'l3' || field === 'l4' ? (single[field][0]! < 0 ? 0 : MOST - start) : 0;
        must(
          apart[field as Field][0] === single[field as Field][0]! + shift,
          `${field} under ${steering.spec.policy} depends on bytes outside the frame`,
        );
      }
    }
    for (const steering of POLICIES) explainFrame(steering, frame);
  },
};
