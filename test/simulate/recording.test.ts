/** Recording a run: it changes nothing, adds up to the CPU time of the result, and a packet's way is whole. */
import { describe, expect, it } from 'vitest';
import { CLASSES, type CpuClass } from '#rxsteer/simulate/machine/classes.js';
import type { PathSpan } from '#rxsteer/simulate/record/shown.js';
import type { ScenarioInput } from '#rxsteer/simulate/scenario/schema.js';
import { simulate } from '#rxsteer/simulate/simulate.js';

const hosts: Record<string, ScenarioInput> = {
  vhost: {
    ...{
      durationMs: 2,
      warmupMs: 1,
      policies: ['rps:cpus=0-1', 'mac:stage=nic,assign=follow-cpu'],
      workers: '0-1',
    },
    host: { cpus: { cores: 4 } },
    nics: { eth0: { queues: 2, irqs: '0-1' } },
    guests: { vm: { count: 2, vcpus: 1, cpus: '2-3', workerCpus: '0-1', tapLock: 'shared', guestPollUs: 5 } },
    load: [{ kind: 'open', rate: 150_000, flows: 16 }],
  },
  mirror: {
    ...{ durationMs: 2, warmupMs: 2 },
    host: { cpus: { cores: 4 }, apps: [{ cpus: '1-3' }] },
    nics: { eth0: { irqs: [0] } },
    load: [{ kind: 'closed', clients: 20, mirror: true }],
  },
  e1000: {
    ...{ durationMs: 2, warmupMs: 1 },
    host: { cpus: { cores: 4 } },
    nics: { eth0: { irqs: [0] } },
    guests: { vm: { path: 'qemu-e1000', cpus: '2', workerCpus: '1' } },
    load: [{ kind: 'open', rate: 30_000, flows: 16 }],
  },
};

describe.each(Object.entries(hosts))('a recording of %s', (_, scenario) => {
  const plain = simulate(scenario, { limit: false });
  const recorded = simulate(scenario, { limit: false, record: true });

  it('has the same digest and the same result as no recording', () => {
    expect(recorded.digest).toBe(plain.digest);
    const bare = recorded.results.map(({ recording: _, ...result }) => result);
    expect(bare).toEqual(plain.results);
    for (const { recording } of plain.results) expect(recording).toBeUndefined();
  });

  it('adds up to the CPU time of the result, class by class', () => {
    for (const { recording, cpus } of recorded.results) {
      expect(recording!.cpus.map(({ id }) => id)).toEqual(cpus.map(({ id }) => id));
      for (const { id, classes } of recording!.cpus) {
        for (const name of CLASSES) {
          const columns = classes[name] ?? [0];
          const mean = columns.reduce((a, b) => a + b, 0) / columns.length;
          expect(mean).toBeCloseTo(cpus[id]!.classes[name], 9);
          // Columns end at fractions of a picosecond.
          for (const share of columns) expect(share).toBeLessThan(1 + 1e-6);
        }
      }
    }
  });

  it('follows a packet from its beginning to its end, without a gap', () => {
    for (const { recording, latencyUs } of recorded.results) {
      const { spans, cpus, latencyUs: took } = recording!.path!;
      expect(spans[0]!.startUs).toBe(0);
      expect(spans.at(-1)!.endUs).toBeCloseTo(took, 6);
      for (const [i, { startUs }] of spans.slice(1).entries())
        expect(startUs).toBeCloseTo(spans[i]!.endUs, 6);
      const worked = spans.filter(({ kind }) => kind === 'work');
      expect(new Set(worked.map(({ cpu }) => cpu))).toEqual(new Set(cpus));
      // The median of those that were followed is near that of all.
      expect(took / latencyUs.p50).toBeGreaterThan(0.5);
      expect(took / latencyUs.p50).toBeLessThan(2);
    }
  });
});

describe('the way of a packet', () => {
  const wayOf = (scenario: ScenarioInput, nth = 0) =>
    simulate(scenario, { limit: false, record: true }).results[nth]!.recording!.path!;
  const labels = (spans: readonly PathSpan[], cls: CpuClass) =>
    spans.flatMap((span) => (span.class === cls && span.kind === 'work' ? [span.label] : []));

  it('through vhost goes from softirq to worker to guest, and waits in their queues', () => {
    const { spans, cpus, guest } = wayOf(hosts.vhost!, 1);
    expect(guest).toMatch(/^vm[01]$/);
    expect(cpus.length).toBe(2);
    expect(labels(spans, 'softirq').slice(0, 2)).toEqual(['driver', 'bridge']);
    expect(labels(spans, 'vhost')).toContain('vhost worker');
    expect(labels(spans, 'vcpu')).toContain('protocol');
    for (const { class: cls, kind, inGuest } of spans) {
      if (kind === 'work') expect(inGuest).toBe(cls === 'vcpu');
    }
    const waits = spans.flatMap(({ kind, label }) => (kind === 'wait' ? [label] : []));
    expect(waits[0]).toBe('link');
    for (const label of waits) expect(['link', 'ring', 'tap', 'socket']).toContain(label);
  });

  it('through an emulated e1000 needs three CPUs', () => {
    expect(wayOf(hosts.e1000!).cpus).toEqual([0, 1, 2]);
  });

  it('is null where no packet ends in the window', () => {
    const far: ScenarioInput = { ...hosts.mirror!, nics: { eth0: { wireUs: 1e6 } } };
    expect(simulate(far, { limit: false, record: true }).results[0]!.recording!.path).toBeNull();
  });
});
