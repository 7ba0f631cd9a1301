/** Counters of removed ports: a bounded list, the same sums. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type PortSummary, RetiredPorts } from '#rxsteer/dataplane/engine/port-summary.js';

const count = fc.nat(1000);
// Counters that come later are summed like these.
const port = fc.record({
  name: fc.string(),
  kind: fc.constantFrom('af_packet', 'tap', 'memory'),
  rx: fc.record({
    ...{ packets: count, bytes: count, kernelDrops: count, unread: count, inexpressible: count },
    ...{ ringResets: count, absurd: count, floodLimited: count },
  }),
  tx: fc.record({ packets: count, bytes: count, errors: count }),
  txByWorker: fc.array(count, { maxLength: 4 }),
  delivered: fc.record({ packets: count, bytes: count }),
  consumer: fc.constant(null),
  queues: fc.constant([]),
}) as unknown as fc.Arbitrary<PortSummary>;

/** All counters of ports added up, by name. */
function sums(ports: readonly PortSummary[]): Record<string, number> {
  const all: Record<string, number> = {};
  const add = (prefix: string, counters: object) => {
    for (const [key, n] of Object.entries(counters)) all[prefix + key] = (all[prefix + key] ?? 0) + n;
  };
  for (const { rx, tx, delivered, txByWorker } of ports) {
    add('rx ', rx);
    add('tx ', tx);
    add('delivered ', delivered);
    add('worker ', txByWorker);
  }
  return all;
}

it('of a port that comes and goes for ever take no room for ever, and are not lost', () => {
  fc.assert(
    fc.property(fc.array(port, { minLength: 1, maxLength: 300 }), (ports) => {
      const retired = new RetiredPorts();
      for (const one of ports) retired.add(one);
      const list = retired.list();
      expect(list.length).toBeLessThanOrEqual(65);
      expect(list.every(({ removed }) => removed === true)).toBe(true);
      expect(sums(list)).toEqual(sums(ports));
      const removed = list.reduce((sum, { removedPorts }) => sum + (removedPorts ?? 1), 0);
      expect(removed).toBe(ports.length);
    }),
    { numRuns: 30 },
  );
});

it('of a name that is there again never count backwards', () => {
  const [one] = fc.sample(port, { seed: 1, numRuns: 1 });
  const retired = new RetiredPorts();
  const packets = () =>
    retired
      .list()
      .filter(({ name }) => name === 'a')
      .reduce((sum, { rx }) => sum + rx.packets, 0);
  const counted = { ...one!, rx: { ...one!.rx, packets: 10 } };
  for (let n = 1; n <= 5; n++) {
    retired.add({ ...counted, name: 'a' }, (name) => name === 'a');
    for (let other = 0; other < 100; other++)
      retired.add({ ...counted, name: `b${other}` }, (name) => name === 'a');
    expect(packets()).toBe(10 * n);
  }
  expect(retired.list().length).toBeLessThanOrEqual(66);
});
