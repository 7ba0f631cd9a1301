/**
 * Minutes of steady, sequence-checked traffic through the switch: nothing lost, nothing reordered, memory constant.
 * SOAK_MINUTES says how long each policy runs (default 3 minutes over all).
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Lab } from '../support/lab.js';
import { privileged, withLab } from '../support/lab.js';
import { startScenario } from '../support/scenario.js';
import { generate, startSink } from '../support/traffic.js';

const POLICIES = ['rss', 'rps:cpus=0-1', 'mac'];
const SECONDS = (Number(process.env.SOAK_MINUTES ?? 3) * 60) / POLICIES.length;
const RATE = 40_000;
/** Resident memory may move by this much after the warm-up (garbage collection, counters of the runtime). */
const SLACK_MB = 24;

function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** Runs one policy; `ip netns exec` replaces itself by the program, so the process is the forwarder's own. */
async function soak(lab: Lab, policy: string): Promise<string> {
  const scenario = await startScenario(lab, {
    ports: ['veth', 'veth', 'tap'],
    policy,
    workers: 2,
    addresses: false,
  });
  const [sender, receiver] = scenario.guests;
  const sink = await startSink(lab, receiver!.ns, { interface: 'g0', 'idle-ms': 2000 });
  const samples: number[] = [];
  const sampler = setInterval(() => samples.push(residentMb(scenario.forwarder.process.pid)), 1000);
  try {
    const traffic = {
      interface: 'g0',
      flows: 256,
      rate: RATE,
      duration: SECONDS,
      'dst-mac': receiver!.mac,
    };
    const sent = await generate(lab, sender!.ns, traffic, SECONDS * 1000 + 60_000);
    // Ends by itself once nothing has come for a while: what is still on its way then isn't counted as lost.
    const seen = await sink.finish();
    const summary = await scenario.finish();
    const kernelDrops = summary.ports.reduce((sum, port) => sum + port.rx.kernelDrops, 0);
    // Warm-up: the first quarter touches the pool's pages and compiles the loops.
    const steady = samples.slice(Math.ceil(samples.length / 4));
    const figures = `${policy}: ${sent.sent} sent, ${seen.checked} seen, ${kernelDrops} kernel drops, ${seen.reordered.packets} reordered, resident memory ${steady.at(0)?.toFixed(0)} MB after warm-up, ${steady.at(-1)?.toFixed(0)} MB at the end`;
    console.log(figures);
    expect(seen.reordered.packets).toBe(0);
    expect(seen.duplicates).toBe(0);
    expect(summary.totals.reordered).toBe(0);
    const { dropped: reasons, copiesDropped } = summary.totals;
    const dropped = Object.values(reasons).reduce((sum, n) => sum + n, copiesDropped);
    // Whatever is missing at the sink has been counted somewhere.
    expect(seen.lost).toBeLessThanOrEqual(dropped + kernelDrops + seen.kernelDrops + seen.rxDropped);
    // Growth, not range: a kernel that reclaims cold pages makes resident memory fall.
    const third = Math.ceil(steady.length / 3);
    expect(median(steady.slice(-third)) - median(steady.slice(0, third))).toBeLessThan(SLACK_MB);
    return figures;
  } finally {
    clearInterval(sampler);
  }
}

describe.skipIf(!privileged())('steady traffic', () => {
  it.each(POLICIES)('%s keeps order, loses nothing uncounted and does not grow', async (policy) => {
    await withLab(async (lab) => {
      expect(await soak(lab, policy)).not.toBe('');
    });
  });
});
