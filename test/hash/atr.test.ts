import { describe, expect, it } from 'vitest';
import { AtrFlowType, atrCommonWord, atrSignatureHash } from '#rxsteer/hash/atr.js';
import { ipv4Bytes, ipv6Bytes } from '#rxsteer/packet/build.js';
import { vectors } from './vectors.js';

const atr = vectors.filter(({ algorithm }) => algorithm === 'ixgbe_atr_signature');

describe('the ATR signature hash', () => {
  it('has its verification values', () => expect(atr).toHaveLength(8));

  for (const {
    id,
    type,
    src = '',
    dst = '',
    sport = 0,
    dport = 0,
    vlan = 0,
    hash,
    bucket,
    signature,
  } of atr) {
    it(id, () => {
      const six = type.endsWith('ipv6');
      const toBytes = six ? ipv6Bytes : ipv4Bytes;
      const value = atrSignatureHash({
        flowType: six ? AtrFlowType.tcpIpv6 : AtrFlowType.tcpIpv4,
        vlan,
        source: toBytes(src),
        destination: toBytes(dst),
        sport,
        dport,
      });
      expect(value).toBe(hash);
      expect([value & 0x7fff, value >>> 16]).toEqual([bucket, signature]);
    });
  }

  it('cannot tell tuples with the same XOR of their words apart', () => {
    const base = { flowType: AtrFlowType.tcpIpv4, vlan: 0, sport: 1000, dport: 80 };
    const a = { ...base, source: ipv4Bytes('10.0.0.1'), destination: ipv4Bytes('10.0.0.2') };
    const b = { ...base, source: ipv4Bytes('10.0.0.2'), destination: ipv4Bytes('10.0.0.1') };
    expect(atrCommonWord(b)).toBe(atrCommonWord(a));
    expect(atrSignatureHash(b)).toBe(atrSignatureHash(a));
    expect(atrSignatureHash({ ...a, sport: 80, dport: 1000 })).not.toBe(atrSignatureHash(a));
  });
});
