/**
 * Thousands of ports, workers and policies that come and go: resident memory levels off. SOAK_CHANGES says how many of
 * each (default 3000).
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import { policy } from '../dataplane/engine/live-kit.js';
import { engineOptions } from '../dataplane/engine/run-engine.js';

const CHANGES = Number(process.env.SOAK_CHANGES ?? 3000);
/** What garbage collectors of four threads leave lying at a time; 60 KB a change would be 120 MB. */
const SLACK_MB = 64;

const residentMb = () =>
  Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) / 1024;

const CHANGE: Readonly<Record<string, (engine: Engine, n: number) => Promise<unknown>>> = {
  ports: async (engine) => {
    await engine.addPort(parsePort('x=memory:sink'));
    await engine.removePort('x');
  },
  workers: async (engine) => {
    await engine.addWorker();
    await engine.removeWorker(2);
  },
  policies: (engine, n) => engine.applyPolicy(policy(['rps:cpus=0-1', 'rss', 'mac'][n % 3]!)),
};

describe('changes without end', () => {
  it.each(Object.keys(CHANGE))('of %s cost no memory', async (kind) => {
    const ports = ['a=memory:source,rate=20000', 'b=memory:sink', 'c=memory:sink'];
    const engine = await Engine.start(engineOptions({ ports, workers: 2, more: { maxWorkers: 3 } }));
    try {
      let warm = 0;
      for (let n = 0; n < CHANGES; n++) {
        await CHANGE[kind]!(engine, n);
        // The first third compiles loops and touches the pool.
        if (n === Math.floor(CHANGES / 3)) warm = residentMb();
      }
      console.log(`${kind}: ${CHANGES} changes, ${warm.toFixed(0)} MB -> ${residentMb().toFixed(0)} MB`);
      expect(residentMb() - warm).toBeLessThan(SLACK_MB);
    } finally {
      await engine.stop();
    }
  });
});
