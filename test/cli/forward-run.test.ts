/** How `rxsteer forward` runs and ends: signals, times, standard input, failure; and the document of `--json`. */
import { afterEach, describe, expect, it } from 'vitest';
import { inSoak, matrix } from '../support/matrix.js';
import { expectConservation, type Summary } from '../support/summary.js';
import { endAll, rxsteer, start, startWithStdin } from './run-cli.js';

const endless = ['--port', 'a=memory:source,rate=20000', '--port', 'b=memory:sink'];
const finite = ['--port', 'a=memory:source,packets=5000,flows=30', '--port', 'b=memory:sink'];

/** Exactly one JSON document and a final line break. */
function parse(stdout: string): Summary {
  expect(stdout.endsWith('}\n')).toBe(true);
  return JSON.parse(stdout) as Summary;
}

/** The contract's fields and their types: numbers are 'n', strings 's', whatever may be null ends in '?'. */
const fields = {
  durationMs: 'n',
  policy: 's',
  mode: 's',
  order: 's',
  ports: [
    {
      name: 's',
      kind: 's',
      rx: { packets: 'n', bytes: 'n', kernelDrops: 'n' },
      tx: { packets: 'n', bytes: 'n', errors: 'n' },
      queues: [],
    },
  ],
  workers: [
    {
      id: 'n',
      cpu: 'n?',
      received: 'n',
      processed: 'n',
      handedOff: 'n',
      wakeupsSent: 'n',
      wakeupsReceived: 'n',
      busyRatio: 'n',
    },
  ],
  handoffs: [{ from: 'n', to: 'n', packets: 'n', drops: 'n', highWater: 'n' }],
  totals: {
    received: 'n',
    transmitted: 'n',
    delivered: 'n',
    floodedCopies: 'n',
    copiesDropped: 'n',
    segmentCopies: 'n',
    dropped: {
      backlog: 'n',
      txFull: 'n',
      noRoute: 'n',
      filtered: 'n',
      tooLong: 'n',
      malformed: 'n',
      portDown: 'n',
      workerDied: 'n',
      hold: 'n',
    },
    inFlight: 'n',
    framesLeaked: 'n',
    reordered: 'n',
  },
};

function expectFields(value: unknown, wanted: unknown, path: string): void {
  if (Array.isArray(wanted)) {
    expect(Array.isArray(value), path).toBe(true);
    for (const [i, item] of (value as unknown[]).entries()) {
      if (wanted.length > 0) expectFields(item, wanted[0], `${path}[${i}]`);
    }
  } else if (typeof wanted === 'object') {
    for (const [key, type] of Object.entries(wanted as object)) {
      expect(Object.keys(value as object), path).toContain(key);
      expectFields((value as Record<string, unknown>)[key], type, `${path}.${key}`);
    }
  } else if (value === null) {
    expect(String(wanted), path).toMatch(/\?$/);
  } else {
    expect(typeof value, path).toBe(String(wanted).startsWith('n') ? 'number' : 'string');
    if (typeof value === 'number') expect(Number.isFinite(value) && value >= 0, path).toBe(true);
  }
}

afterEach(endAll);

describe('forward', () => {
  it('ends when its sources are drained, and prints one JSON document', async () => {
    const args = [...finite, '--policy', 'rps:cpus=0-1', '--cpus', '0,0', '--json'];
    const { code, stdout, stderr } = await rxsteer(['forward', ...args]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'ready\n' });
    const summary = parse(stdout);
    expectFields(summary, fields, 'summary');
    expectConservation(summary);
    expect(summary).toMatchObject({ policy: 'rps:cpus=0-1', mode: 'wire', order: 'strict' });
    expect(summary.totals.delivered).toBe(5000);
    expect(summary.ports.map(({ name, kind }) => `${name} ${kind}`)).toEqual(['a memory', 'b memory']);
    expect(summary.ports[0]).toMatchObject({ queues: [{ id: 0, worker: 0, packets: 5000 }] });
    expect(summary.workers.map(({ id, cpu }) => [id, cpu])).toEqual([
      [0, 0],
      [1, 0],
    ]);
    expect(summary.handoffs.map(({ from, to }) => [from, to])).toEqual([
      [0, 1],
      [1, 0],
    ]);
  });

  it('prints tables for people, without colour where there is no terminal', async () => {
    const { code, stdout, stderr } = await rxsteer(['forward', ...finite]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'ready\n' });
    expect(stdout).toMatch(/^received\s+5,000 /m);
    expect(stdout).toMatch(/^dropped\s+0$/m);
    expect(stdout).not.toContain('\x1b');
    expect(stdout).not.toContain('accounting is off');
  });

  it.each(matrix(['SIGINT', 'SIGTERM', 'SIGHUP'] as const, [2]))(
    '%s ends it with a summary and exit code 0',
    async (signal) => {
      const process = start(['forward', ...endless, '--json', '--workers', '2']);
      await process.line(/^ready$/m);
      expect(await process.stop(signal)).toEqual({ code: 0, signal: null });
      expectConservation(parse(process.stdout));
    },
  );

  inSoak('a signal before it is ready ends it all the same', async () => {
    const process = start(['forward', ...endless, '--json', '--workers', '2']);
    // Node itself catches the others from its start.
    await expect.poll(() => catchesHangup(process.pid), { timeout: 60_000 }).toBe(true);
    const { code, signal } = await process.stop('SIGINT');
    expect(signal).toBeNull();
    // Its ports were open already, or not yet: then there is nothing to sum up.
    if (code === 0) expectConservation(parse(process.stdout));
    else expect([code, JSON.parse(process.stdout)]).toMatchObject([130, { code: 'RXS_INTERRUPTED' }]);
  });

  it('a second interrupt ends it at once with exit code 130', async () => {
    // A worker that is in the middle of a spin of its own keeps the first interrupt waiting: a stopped one would.
    const process = start(['forward', ...endless, '--json', '--workers', '2']);
    await process.line(/^ready$/m);
    process.signal('SIGSTOP');
    process.signal('SIGINT');
    process.signal('SIGTERM');
    process.signal('SIGCONT');
    expect((await process.finish()).code).toBe(130);
    expect(process.stdout).toBe('');
  });

  it('ends after --duration, and prints rates at the interval of --stats', async () => {
    const args = [...endless, '--duration', '0.5', '--stats', '0.1', '--json'];
    const { code, stdout, stderr } = await rxsteer(['forward', ...args]);
    expect(code).toBe(0);
    const summary = parse(stdout);
    expectConservation(summary);
    expect(summary.durationMs).toBeGreaterThanOrEqual(500);
    const [ready, ...lines] = stderr.trimEnd().split('\n');
    expect(ready).toBe('ready');
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      expect(line).toMatch(
        /^\d+ s: a rx [\d.]+ k?pps tx 0 pps, b rx 0 pps tx [\d.]+ k?pps; busy [\d.]+ %; lost \d+; reordered 0$/,
      );
    }
  });

  it('ends with standard input where asked to', async () => {
    const { child, ready, ended } = startWithStdin(['forward', ...endless, '--json', '--end-with-stdin']);
    await ready;
    child.stdin.end();
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    expectConservation(parse(stdout));
  });

  inSoak('does not look at standard input otherwise', async () => {
    const { child, ready, ended } = startWithStdin(['forward', ...endless, '--json', '--duration', '0.3']);
    child.stdin.end();
    await ready;
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    expect(parse(stdout).durationMs).toBeGreaterThanOrEqual(300);
  });

  it('survives the death of a worker, says so, and counts it', async () => {
    const args = [...finite, '--workers', '2', '--fault', 'transmit@0:3', '--json'];
    const { code, stdout, stderr } = await rxsteer(['forward', ...args]);
    expect(code).toBe(0);
    // It may die before all others run.
    const [warning, ready, ...more] = stderr.trimEnd().split('\n').sort().reverse();
    expect([ready, warning].sort()).toEqual([
      'ready',
      expect.stringMatching(
        /^rxsteer: warning: worker 0 died \(injected fault at transmit\): \d+ frame\(s\) dropped as workerDied, starting it again$/,
      ),
    ]);
    expect(more).toEqual([]);
    const summary = parse(stdout);
    expectConservation(summary);
    expect(summary.totals.dropped.workerDied).toBeGreaterThan(0);
  });

  it('ends with exit code 1 when a worker keeps dying', async () => {
    const args = [...endless, '--fault', 'decide@0+', '--json'];
    const { code, stdout, stderr } = await rxsteer(['forward', ...args]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({ error: expect.stringContaining('worker 0'), code: 'RXS_FAILED' });
    // `ready` comes or not, as the first death falls.
    const lines = stderr
      .trimEnd()
      .split('\n')
      .filter((line) => line !== 'ready');
    expect(lines.at(-1)).toBe('rxsteer: worker 0 keeps dying: injected fault at decide');
    expect(lines).toHaveLength(11 + 1);
  });

  inSoak('takes everything from a config file, and flags override it', async () => {
    const { mkdtempSync, rmSync, writeFileSync } = await import('node:fs');
    const folder = mkdtempSync('/tmp/rxsteer-config-');
    try {
      writeFileSync(
        `${folder}/c.yaml`,
        `ports: ["a=memory:source,packets=600,guests=2", b=memory:sink, c=memory:sink]
policy: { policy: mac, owners: [{ mac: "02:00:00:00:00:01", worker: 1 }] }
workers: 2
backlog: 700
fdb:
  - { mac: "02:00:00:00:00:01", port: c }
  - { mac: "02:00:00:00:00:02", port: b }
`,
      );
      const args = ['--config', `${folder}/c.yaml`, '--json'];
      const summary = parse((await rxsteer(['forward', ...args])).stdout);
      expectConservation(summary);
      expect(summary.mode).toBe('switch');
      expect(summary.workers.map((w) => w.processed)).toEqual([300, 300]);
      expect(summary.totals).toMatchObject({ delivered: 600, floodedCopies: 0 });
      const flags = ['--policy', 'single', '--workers', '1'];
      const other = parse((await rxsteer(['forward', ...args, ...flags])).stdout);
      expect(other.policy).toBe('single');
      expect(other.workers.map((w) => w.processed)).toEqual([600]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Whether the process has a handler of its own for SIGHUP, as proc(5) says. */
async function catchesHangup(pid: number): Promise<boolean> {
  const { readFile } = await import('node:fs/promises');
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  return (Number.parseInt(/^SigCgt:.*(.)$/m.exec(status)?.[1] ?? '0', 16) & 1) === 1;
}
