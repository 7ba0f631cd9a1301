/** The summary that `rxsteer forward --json` prints, and what must be true of every one. */
import { expect } from 'vitest';

export const DROP_REASONS = [
  'backlog',
  'txFull',
  'noRoute',
  'filtered',
  'tooLong',
  'malformed',
  'portDown',
  'workerDied',
  'hold',
] as const;

export interface PortSummary {
  name: string;
  kind: string;
  rx: { packets: number; bytes: number; kernelDrops: number };
  tx: { packets: number; bytes: number; errors: number };
  consumer?: { rule: string; worker: number | null; moves: number } | null;
}

export interface Summary {
  durationMs: number;
  policy: string;
  mode: 'wire' | 'switch';
  order: string;
  ports: PortSummary[];
  workers: { id: number; cpu: number | null; received: number; processed: number; handedOff: number }[];
  handoffs: { from: number; to: number; packets: number; drops: number; highWater: number }[];
  totals: {
    received: number;
    transmitted: number;
    delivered: number;
    floodedCopies: number;
    copiesDropped: number;
    segmentCopies: number;
    dropped: Record<(typeof DROP_REASONS)[number], number>;
    inFlight: number;
    framesLeaked: number;
    reordered: number;
    moves?: number;
  };
}

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

/** Every frame is accounted for, exactly. */
export function expectConservation(summary: Summary): void {
  const { totals } = summary;
  const context = JSON.stringify(summary);
  expect(Object.keys(totals.dropped).sort(), context).toEqual([...DROP_REASONS].sort());
  const counts = [...Object.values(totals.dropped), totals.received, totals.transmitted, totals.delivered];
  for (const count of counts) expect(Number.isSafeInteger(count) && count >= 0, context).toBe(true);
  expect(totals.inFlight, context).toBe(0);
  expect(totals.framesLeaked, context).toBe(0);
  expect(totals.received, context).toBe(
    totals.transmitted + totals.delivered + sum(Object.values(totals.dropped)) + totals.inFlight,
  );
  expect(sum(summary.ports.map((port) => port.tx.packets)), context).toBe(
    totals.transmitted + totals.floodedCopies + totals.segmentCopies,
  );
  expect(sum(summary.workers.map((worker) => worker.received)), context).toBe(totals.received);
  expect(sum(summary.workers.map((worker) => worker.handedOff)), context).toBe(
    sum(summary.handoffs.map((handoff) => handoff.packets)),
  );
}

/** No frame was dropped, but for the reasons given. */
export function expectNoDrops(summary: Summary, ...but: string[]): void {
  const dropped = Object.entries(summary.totals.dropped).filter(([name, n]) => n > 0 && !but.includes(name));
  expect(dropped, JSON.stringify(summary)).toEqual([]);
  for (const port of summary.ports) expect(port.rx.kernelDrops, JSON.stringify(summary)).toBe(0);
}
