/** Flow rules of a device: from the kernel's structure and from what ethtool prints, followed by `host:DEV`. */
import { describe, expect, it } from 'vitest';
import type { Rule } from '#rxsteer/host/ask/ethtool-facts.js';
import { ethtoolFromTexts } from '#rxsteer/host/ask/ethtool-text.js';
import { FLOW_SPEC_BYTES, flowSpecWords } from '#rxsteer/host/ask/flow-spec.js';
import { unknown } from '#rxsteer/host/fact.js';
import { rulesOfDevice } from '#rxsteer/host/nic-rules.js';
import { hostSteeringOf } from '#rxsteer/host/policy/host-policy.js';
import { parseNtuple } from '#rxsteer/nic/ntuple-text.js';
import { flowFrame, parseFlow } from '#rxsteer/packet/flow-text.js';
import { explainFrame } from '#rxsteer/policy/explanation.js';
import { FakeHost } from './fake-host.js';

/** A structure as the kernel fills it, little endian: type, [offset, bytes of the value, bytes of the mask]. */
function spec(
  type: number,
  ...fields: readonly (readonly [at: number, value: string, mask: string])[]
): Uint8Array {
  const bytes = new Uint8Array(FLOW_SPEC_BYTES + 20);
  new DataView(bytes.buffer).setUint32(0, type, true);
  for (const [at, value, mask] of fields) {
    bytes.set(Buffer.from(value, 'hex'), 4 + at);
    bytes.set(Buffer.from(mask, 'hex'), 76 + at);
  }
  return bytes;
}

describe('a structure of the kernel', () => {
  it.each([
    [
      spec(1, [0, 'c0000201', 'ffffff00'], [10, '0050', 'ffff']),
      'flow-type tcp4 src-ip 192.0.2.1 m 0.0.0.255 dst-port 80',
    ],
    [
      spec(6, [16, `20010db8${'0'.repeat(23)}1`, 'f'.repeat(32)]),
      'flow-type udp6 dst-ip 2001:0db8:0000:0000:0000:0000:0000:0001',
    ],
    [spec(18, [0, '525400000001', 'f'.repeat(12)]), 'flow-type ether dst 52:54:00:00:00:01'],
    [
      spec(0x80000000 + 18, [6, '525400000001', 'f'.repeat(12)], [62, '0007', '0fff']),
      'flow-type ether src 52:54:00:00:00:01 vlan 7 m 61440',
    ],
    [spec(13, [14, '2f', 'ff'], [13, '01', '00']), 'flow-type ip4 l4proto 47'],
    [spec(1), 'flow-type tcp4'],
    // TOS, user-defined bytes, an address beside TCP, ESP: no model compares them.
    [spec(1, [12, '10', 'ff']), null],
    [spec(0x80000000 + 1, [64, '0000000000000001', 'f'.repeat(16)]), null],
    [spec(0x40000000 + 1, [54, '525400000001', 'f'.repeat(12)]), null],
    [spec(10), null],
    // Without the flag what stands behind is nobody's.
    [spec(1, [54, '525400000001', 'f'.repeat(12)]), 'flow-type tcp4'],
  ])('%# is %s', (bytes, words) => {
    expect(flowSpecWords(bytes)).toBe(words);
    if (words !== null) parseNtuple(`${words} action 1`, 'rule');
  });
});

const KEY = '6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa';
const RSS = {
  entries: Array.from({ length: 128 }, (_, i) => i % 4),
  key: KEY,
  function: 'toeplitz',
  symmetric: 'none',
};
const rule = (location: number, words: string | null, more: Partial<Rule> = {}): Rule => ({
  location,
  queue: 0,
  context: null,
  contextExists: null,
  words: words === null ? null : `${words} loc ${location}`,
  ...more,
});
const ask = (port: number) => flowFrame(parseFlow(`tcp 192.0.2.1:${port} > 198.51.100.7:80`, 'flow'));
/** Queue q on CPU 7 - q. */
const steeringWith = async (rules: readonly Rule[]) => {
  const host = new FakeHost(8).nic('eth0', {
    queues: 4,
    driver: 'xyz',
    cpus: [7, 6, 5, 4],
    ethtool: { rss: RSS, rules },
  });
  return hostSteeringOf(await host.read(1), 'host:eth0');
};

describe('host:DEV', () => {
  it('follows rules to queues and to contexts', async () => {
    const context = { ...RSS, entries: Array.from({ length: 128 }, () => 3) };
    const steering = await steeringWith([
      rule(9, 'flow-type tcp4 src-port 7 action 2', { queue: 2 }),
      rule(4000, 'flow-type tcp4 src-port 8 context 5 action 0', {
        context: 5,
        contextExists: true,
        table: context,
      }),
      rule(10, 'flow-type tcp4 src-port 7 action 1', { queue: 1 }),
    ]);
    expect(steering.assumed).toEqual([]);
    const seven = explainFrame(steering, ask(7));
    expect([seven.queue, seven.worker]).toEqual([2, 5]);
    expect(seven.reason).toMatch(/rule.*queue 2 is received on CPU 5/);
    expect(explainFrame(steering, ask(8)).queue).toBe(3);
  });

  it('says which it does not follow, and why', async () => {
    const steering = await steeringWith([
      rule(1, null),
      rule(2, 'flow-type tcp4 src-port 7 action 9', { queue: 9 }),
      rule(3, 'flow-type tcp4 src-port 7 context 2 action 0', { context: 2, contextExists: null }),
    ]);
    expect(steering.assumed).toEqual([
      expect.stringMatching(/^1 flow rule not followed: what is compared or done is not modelled/),
      '1 flow rule not followed: no such queue or context',
      '1 flow rule not followed: the table of the RSS context could not be read',
    ]);
  });

  it('takes collections of older versions, which kept no words', async () => {
    const old = { location: 1, queue: 2, context: null, contextExists: null };
    expect((await steeringWith([old])).assumed.join()).toContain('1 flow rule not followed');
  });

  it('takes words that are none for what is not followed', async () => {
    const { assumed } = await steeringWith([rule(1, 'flow-type tcp4 src-prt 7 action 2', { queue: 2 })]);
    expect(assumed.join()).toMatch(/^1 flow rules are set and not followed: .*src-prt/);
  });
});

describe('what ethtool printed', () => {
  it('has the words of its rules', () => {
    const text = `4 RX rings available
Total 2 rules

Filter: 3
\tFlow Type: Raw Ethernet
\tSrc MAC addr: 00:00:00:00:00:00 mask: FF:FF:FF:FF:FF:FF
\tDest MAC addr: 52:54:00:00:00:01 mask: 00:00:00:00:00:00
\tEthertype: 0x0 mask: 0xFFFF
\tAction: Direct to queue 2

Filter: 4
\tRule Type: TCP over IPv4
\tSrc IP addr: 0.0.0.0 mask: 255.255.255.255
\tTOS: 0x10 mask: 0x0
\tAction: Direct to queue 1

`;
    const { rules } = ethtoolFromTexts((option) => (option === '-n DEV' ? text : unknown('none', 'absent')));
    expect(rules).toMatchObject([
      { words: 'flow-type ether dst 52:54:00:00:00:01 action 2 loc 3' },
      { words: null },
    ]);
    expect(rulesOfDevice(rules as Rule[], 4).rules).toEqual([
      'flow-type ether dst 52:54:00:00:00:01 action 2 loc 3',
    ]);
  });
});
