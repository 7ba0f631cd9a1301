/** What becomes of super-frames and partial checksums: passed whole, or segmented and completed where they must be. */
import { describe, expect, it } from 'vitest';
import { canForward } from '../support/forwarder.js';
import { installed, type Lab, withLab } from '../support/lab.js';
import { inSoak, matrix } from '../support/matrix.js';
import {
  describeScenario,
  SCENARIO_TIMEOUT_MS,
  type Scenario,
  type ScenarioOptions,
  startScenario,
} from '../support/scenario.js';
import { iperf } from '../support/traffic.js';

/** Segments with wrong checksums that a namespace's TCP has received. */
async function checksumErrors(lab: Lab, scenario: Scenario): Promise<number> {
  let sum = 0;
  for (const { ns } of scenario.guests) {
    const text = await lab.exec(ns, 'cat', '/proc/net/snmp');
    const [names, values] = [...text.matchAll(/^Tcp: (.*)$/gm)].map((match) => match[1]!.split(' '));
    sum += Number(values![names!.indexOf('InCsumErrors')]);
  }
  return sum;
}

async function transfer(options: ScenarioOptions, family: 'ipv4' | 'ipv6' | 'tagged') {
  return withLab(async (lab) => {
    const scenario = await startScenario(lab, { orderly: true, ipv6: true, vlan: 9, ...options });
    const [a, b] = [scenario.guests[0]!, scenario.guests[1]!];
    const { bytes } = await iperf(lab, a.ns, b.ns, b[family], { bytes: '12M' });
    expect(bytes).toBeGreaterThan(100_000);
    expect(await checksumErrors(lab, scenario)).toBe(0);
    const summary = await scenario.finish();
    const [from, to] = [summary.ports[0]!, summary.ports[1]!];
    expect(summary.totals.dropped.tooLong + summary.totals.dropped.malformed).toBe(0);
    return {
      received: from.rx.bytes / from.rx.packets,
      sent: to.tx.bytes / to.tx.packets,
      copies: summary.totals.segmentCopies,
    };
  });
}

/** Longest average that frames of one segment each can have: MTU, header and tag. */
const SEGMENT_MOST = 1500 + 14 + 4;

describe.skipIf(!canForward() || !installed('iperf3'))('offload', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  const families = ['ipv4', 'ipv6', 'tagged'] as const;
  const both: ScenarioOptions[] = [
    { ports: ['veth', 'veth'] },
    { ports: ['veth', 'tap'] },
    { ports: ['tap', 'veth'] },
  ];
  it.each(matrix(both, [2]).map((options, i) => [describeScenario(options), families[i]!, options] as const))(
    'on both ports passes super-frames whole: %s, %s',
    async (_, family, options) => {
      const { received, sent, copies } = await transfer(options, family);
      expect(received).toBeGreaterThan(2 * SEGMENT_MOST);
      expect(sent).toBeGreaterThan(2 * SEGMENT_MOST);
      expect(copies).toBe(0);
    },
  );

  const mixed: ScenarioOptions[] = [
    { ports: ['veth', 'veth'], offloads: ['on', 'off'] },
    { ports: ['veth', 'tap'], offloads: ['on', 'off'], workers: 2 },
    { ports: ['tap', 'veth'], offloads: ['on', 'off'] },
  ];
  it.each(
    matrix(mixed, [1]).map((options, i) => [describeScenario(options), families[i]!, options] as const),
  )('off on the way out segments in software: %s, %s', async (_, family, options) => {
    const { received, sent, copies } = await transfer(options, family);
    expect(received).toBeGreaterThan(2 * SEGMENT_MOST);
    expect(sent).toBeLessThanOrEqual(SEGMENT_MOST);
    expect(copies).toBeGreaterThan(100);
  });

  inSoak('off on both ports moves single segments', async () => {
    const { received, sent, copies } = await transfer({ ports: ['veth', 'tap'], offload: 'off' }, 'ipv4');
    expect(received).toBeLessThanOrEqual(SEGMENT_MOST);
    expect(sent).toBeLessThanOrEqual(SEGMENT_MOST);
    expect(copies).toBe(0);
  });
});
