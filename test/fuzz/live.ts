/** Runs `live-fuzzer.mjs` in a namespace that ends with it, and checks what must hold whatever it sent. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { SLOW } from '../support/slow.js';
import { expectConservation, type Summary } from '../support/summary.js';

const SCRIPT = fileURLToPath(new URL('live-fuzzer.mjs', import.meta.url));

export interface LiveFuzzOptions {
  readonly seed: number;
  readonly frames: number;
  readonly offload: string;
  readonly policy: string;
}

export interface LiveFuzzReport {
  readonly summary: Summary;
  readonly tried: number;
  /** Frames that the kernel took. */
  readonly accepted: number;
  /** Plain frames, of 40, that came out at a guest afterwards. */
  readonly marked: number;
  readonly warnings: readonly string[];
  readonly failure: string | null;
}

export async function fuzzLive(options: LiveFuzzOptions): Promise<LiveFuzzReport> {
  const inside = ['-n', '-m', 'sh', '-c', 'mount -t sysfs sysfs /sys && exec "$0" "$@"'];
  const { stdout } = await promisify(execFile)(
    'unshare',
    [...inside, process.execPath, SCRIPT, JSON.stringify(options)],
    { timeout: (60_000 + options.frames) * SLOW, killSignal: 'SIGKILL', maxBuffer: 64 << 20 },
  );
  const report = JSON.parse(stdout) as LiveFuzzReport;
  expectConservation(report.summary);
  expect(report.failure).toBeNull();
  expect(report.warnings.filter((line) => /died/.test(line))).toEqual([]);
  expect(report.summary.totals.dropped.workerDied).toBe(0);
  expect(report.summary.totals.reordered).toBe(0);
  return report;
}
