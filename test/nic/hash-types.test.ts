import { describe, expect, it } from 'vitest';
import {
  explainHashType,
  GENERIC_TYPES,
  HASH_TYPE_NAMES,
  hashesPorts,
  hashTypeBit,
  hashTypeList,
  hashTypeMask,
  selectionIndex,
  selectionTable,
} from '#rxsteer/nic/hash-types.js';
import {
  ethernet,
  fragmentExtension,
  homeAddressExtension,
  icmp,
  ipv4,
  ipv6,
  sctp,
  tcp,
  udp,
} from '#rxsteer/packet/build.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';

const v4 = { src: '192.0.2.1', dst: '198.51.100.2' };
const v6 = { src: '2001:db8::1', dst: '2001:db8::2' };
const ports = { sport: 1000, dport: 2000 };
const ex = { extensions: [homeAddressExtension('2001:db8::3')] };

function kindOf(frame: Uint8Array): number {
  const burst = new Burst(frame);
  burst.add(0, frame.length);
  dissectBurst(burst);
  return burst.kind[0]!;
}

function typeOf(frame: Uint8Array, types: readonly string[], rule: 'intel' | 'virtio' = 'intel'): string {
  return HASH_TYPE_NAMES[selectionTable(hashTypeMask(types), rule)[selectionIndex(kindOf(frame))]!]!;
}

describe('the choice of the hash type', () => {
  const tcp4 = ethernet({}, ipv4(v4, tcp(ports)));
  const udp4 = ethernet({}, ipv4(v4, udp(ports)));
  const tcp6 = ethernet({}, ipv6(v6, tcp(ports)));
  const udp6 = ethernet({}, ipv6(v6, udp(ports)));
  const tcp6ex = ethernet({}, ipv6({ ...v6, ...ex }, tcp(ports)));
  const udp6ex = ethernet({}, ipv6({ ...v6, ...ex }, udp(ports)));
  const icmp6ex = ethernet({}, ipv6({ ...v6, ...ex, protocol: 58 }, 8));

  it('takes the transport type, else the IP type, else none', () => {
    expect(typeOf(tcp4, GENERIC_TYPES)).toBe('tcp-ipv4');
    expect(typeOf(udp4, GENERIC_TYPES)).toBe('udp-ipv4');
    expect(typeOf(udp4, ['ipv4', 'tcp-ipv4'])).toBe('ipv4');
    expect(typeOf(udp4, ['tcp-ipv4'])).toBe('none');
    expect(typeOf(tcp6, GENERIC_TYPES)).toBe('tcp-ipv6');
    expect(typeOf(udp6, ['ipv6', 'tcp-ipv6'])).toBe('ipv6');
    expect(typeOf(tcp6, ['ipv4', 'tcp-ipv4'])).toBe('none');
    expect(typeOf(tcp4, ['none'])).toBe('none');
  });

  it('knows IP types only for SCTP, ICMP, fragments and cut headers', () => {
    expect(typeOf(ethernet({}, ipv4(v4, sctp(ports))), GENERIC_TYPES)).toBe('ipv4');
    expect(typeOf(ethernet({}, ipv4(v4, icmp({ type: 8 }))), GENERIC_TYPES)).toBe('ipv4');
    expect(typeOf(ethernet({}, ipv4({ ...v4, moreFragments: true }, tcp(ports))), GENERIC_TYPES)).toBe(
      'ipv4',
    );
    expect(
      typeOf(ethernet({}, ipv6({ ...v6, extensions: [fragmentExtension()] }, tcp(ports))), GENERIC_TYPES),
    ).toBe('ipv6');
    expect(typeOf(tcp4.slice(0, 36), GENERIC_TYPES)).toBe('ipv4');
    expect(typeOf(tcp4.slice(0, 30), GENERIC_TYPES)).toBe('none');
  });

  it('gives fragments a type of their own where the NIC has one, and no other', () => {
    const own = (frame: Uint8Array, types: readonly string[]) => {
      const table = selectionTable(hashTypeMask(types), 'intel', 'own');
      const kind = kindOf(frame);
      const type = table[selectionIndex(kind)]!;
      return [HASH_TYPE_NAMES[type], explainHashType(kind, type, hashTypeMask(types), 'own')];
    };
    const frag4 = ethernet({}, ipv4({ ...v4, moreFragments: true }, udp(ports)));
    const frag6 = ethernet({}, ipv6({ ...v6, extensions: [fragmentExtension()] }, tcp(ports)));
    const all = [...GENERIC_TYPES, 'frag-ipv4', 'frag-ipv6'];
    expect(own(frag4, all)).toEqual(['frag-ipv4', 'a fragment, so frag-ipv4: addresses hashed']);
    expect(own(frag6, all)).toEqual(['frag-ipv6', 'a fragment, so frag-ipv6: addresses hashed']);
    const not = (name: string) => `a fragment, and ${name} is not enabled, so no type applies`;
    expect(own(frag4, GENERIC_TYPES)).toEqual(['none', not('frag-ipv4')]);
    expect(own(frag6, [...GENERIC_TYPES, 'frag-ipv4'])).toEqual(['none', not('frag-ipv6')]);
    expect(own(udp4, all)[0]).toBe('udp-ipv4');
    expect(own(frag4.slice(0, 30), all)[0]).toBe('none');
    // Where IP types cover fragments, these types cover nothing.
    expect(typeOf(frag4, ['frag-ipv4'])).toBe('none');
    expect(hashesPorts(HASH_TYPE_NAMES.indexOf('frag-ipv4'))).toBe(false);
    expect(hashesPorts(HASH_TYPE_NAMES.indexOf('frag-ipv6'))).toBe(false);
  });

  it('puts _EX before the plain type where there are extension headers', () => {
    const both = [...GENERIC_TYPES, 'ipv6-ex', 'tcp-ipv6-ex', 'udp-ipv6-ex'];
    expect(typeOf(tcp6ex, both)).toBe('tcp-ipv6-ex');
    expect(typeOf(udp6ex, both)).toBe('udp-ipv6-ex');
    expect(typeOf(icmp6ex, both)).toBe('ipv6-ex');
    expect(typeOf(tcp6, both)).toBe('tcp-ipv6');
    expect(typeOf(tcp6ex, GENERIC_TYPES)).toBe('tcp-ipv6');
  });

  it('_EX alone: Intel hashes packets without extension headers too, virtio does not', () => {
    expect(typeOf(tcp6, ['tcp-ipv6-ex'])).toBe('tcp-ipv6-ex');
    expect(typeOf(tcp6, ['tcp-ipv6-ex'], 'virtio')).toBe('none');
    expect(typeOf(tcp6ex, ['tcp-ipv6-ex'], 'virtio')).toBe('tcp-ipv6-ex');
  });

  it('the IP _EX type: virtio takes it before plain TCP, Intel after', () => {
    const types = ['tcp-ipv6', 'ipv6-ex'];
    expect(typeOf(tcp6ex, types, 'virtio')).toBe('ipv6-ex');
    expect(typeOf(tcp6ex, types)).toBe('tcp-ipv6');
  });
});

describe('numbers', () => {
  it('are those of virtio', () => {
    expect(HASH_TYPE_NAMES.slice(0, 10).map((_, type) => hashTypeBit(type))).toEqual([
      0, 1, 2, 4, 8, 16, 32, 64, 128, 256,
    ]);
    expect(hashTypeMask(GENERIC_TYPES)).toBe(0x3f);
    expect(hashTypeList(0x1ff)).toEqual(HASH_TYPE_NAMES.slice(1, 10));
  });

  it('say which types hash ports', () => {
    const withPorts = HASH_TYPE_NAMES.filter((_, type) => hashesPorts(type));
    expect(withPorts).toEqual(HASH_TYPE_NAMES.filter((name) => /tcp|udp/.test(name)));
  });

  it('an unknown name is refused with the near ones', () => {
    expect(() => hashTypeMask(['ipv4', 'tcp-ip4'])).toThrow(
      /unknown hash type "tcp-ip4": did you mean tcp-ipv4/,
    );
  });
});

describe('the explanation', () => {
  const mask = hashTypeMask(['ipv4', 'tcp-ipv4', 'ipv6', 'tcp-ipv6']);
  const explain = (frame: Uint8Array, enabled = mask) => {
    const kind = kindOf(frame);
    return explainHashType(kind, selectionTable(enabled)[selectionIndex(kind)]!, enabled);
  };

  it.each([
    [ethernet({}, ipv4(v4, tcp(ports))), 'tcp-ipv4 is enabled: addresses and ports hashed'],
    [ethernet({}, ipv4(v4, udp(ports))), 'udp-ipv4 is not enabled, so ipv4: addresses hashed'],
    [
      ethernet({}, ipv4({ ...v4, moreFragments: true }, tcp(ports))),
      'a fragment has no ports to rely on, so ipv4: addresses hashed',
    ],
    [ethernet({}, ipv6(v6, sctp(ports))), 'neither TCP nor UDP, so ipv6: addresses hashed'],
    [
      ethernet({}, ipv4(v4, tcp(ports))).slice(0, 36),
      'the transport header is cut short, so ipv4: addresses hashed',
    ],
    [ethernet({ ethertype: 0x88cc }, 'lldp'), 'not an IP packet, so no type applies'],
    [
      ethernet({}, ipv4(v4, tcp(ports))).slice(0, 20),
      'the IP header is cut short or contradicts itself, so no type applies',
    ],
  ])('%#: %s', (frame, words) => {
    expect(explain(frame)).toBe(words);
  });

  it('says that nothing is enabled', () => {
    expect(explain(ethernet({}, ipv4(v4, udp(ports))), hashTypeMask(['tcp-ipv4']))).toBe(
      'udp-ipv4 is not enabled, and ipv4 is not enabled, so no type applies',
    );
  });
});
