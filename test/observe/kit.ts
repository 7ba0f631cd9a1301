/** A real forwarder on memory ports for tests of what is seen of it, and a summary in which every family has a sample. */
import { execFileSync } from 'node:child_process';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import type { Summary } from '#rxsteer/dataplane/engine/summary.js';
import type { MetricFacts } from '#rxsteer/observe/metrics.js';
import { Recorder } from '#rxsteer/observe/recorder.js';
import { engineOptions, ROOMY } from '../dataplane/engine/run-engine.js';

/** Two workers, some thousand packets, at rest. */
export async function finished(): Promise<{ engine: Engine; recorder: Recorder }> {
  const ports = ['a=memory:source,packets=3000,flows=64,guests=4', 'b=memory:sink'];
  const engine = await Engine.start(
    engineOptions({ ports, workers: 2, policy: 'rss:queues=2', more: ROOMY }),
  );
  const recorder = new Recorder(engine);
  await engine.drained;
  await engine.stop();
  recorder.turn();
  return { engine, recorder };
}

/** The same with a consumer and a removed port. */
export function filled(summary: Summary): Summary {
  const [port] = summary.ports;
  const consumer = { rule: 'cpu=1', worker: 1, moves: 3 };
  return {
    ...summary,
    ports: [...summary.ports, { ...port!, name: 'c', consumer }, { ...port!, name: 'gone', removed: true }],
  };
}

export const FACTS: MetricFacts = {
  version: '1.2.3',
  startTime: 1_700_000_000,
  down: new Set(['b']),
  imbalance: 1.5,
  guests: [{ mac: '02:00:00:00:00:01', toPackets: 5, fromPackets: 6, workers: 2 }],
  otherGuests: { toPackets: 1, fromPackets: 2 },
  process: { cpuSeconds: 1.25, residentBytes: 1e8 },
};

/** Samples of a page, by name with labels. */
export function samplesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' ') + 1)),
    ]),
  );
}

/** Names of the families of a page. */
export const familiesOf = (text: string) => [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!);

/** Whether promtool is here (apt-get install prometheus). */
export function hasPromtool(): boolean {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
