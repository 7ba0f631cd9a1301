/**
 * Runs observe.py in a network namespace of its own. The namespace, its devices and its sockets end with the
 * process, however it ends.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SLOW } from '../support/slow.js';

export type Step = { readonly do: string; readonly [argument: string]: unknown };

/** Why the kernel cannot be asked here; empty when it can. */
export function cannotObserve(): string {
  if (process.platform !== 'linux') return 'not Linux';
  if (process.getuid?.() !== 0) return 'needs root';
  for (const tool of ['python3', 'ip', 'unshare'])
    if (spawnSync(tool, ['--help'], { stdio: 'ignore' }).error !== undefined) return `needs ${tool}`;
  if (spawnSync('unshare', ['-n', '-m', 'true'], { stdio: 'ignore' }).status !== 0)
    return 'may not make network namespaces';
  return '';
}

/** Online CPUs, and how many bits CPU masks have. */
export function cpus(): { online: number[]; possible: number } {
  const list = (name: string) =>
    readFileSync(`/sys/devices/system/cpu/${name}`, 'utf8')
      .trim()
      .split(',')
      .flatMap((range) => {
        const [from = 0, to = from] = range.split('-').map(Number);
        return Array.from({ length: to - from + 1 }, (_, i) => from + i);
      });
  return { online: list('online'), possible: Math.max(...list('possible')) + 1 };
}

/** Runs the steps; the result has one element per step. Rejects with the observer's last line on failure. */
export function observe(steps: readonly Step[], timeoutMs = 25_000 * SLOW): Promise<unknown[]> {
  const script = fileURLToPath(new URL('fixtures/observe.py', import.meta.url));
  return new Promise((resolve, reject) => {
    const child = spawn(
      'unshare',
      ['-n', '-m', 'sh', '-c', 'mount -t sysfs s /sys && exec python3 "$0"', script],
      { stdio: ['pipe', 'pipe', 'pipe'], timeout: timeoutMs, killSignal: 'SIGKILL' },
    );
    let out = '';
    let error = '';
    child.stdout.on('data', (text) => {
      out += text;
    });
    child.stderr.on('data', (text) => {
      error += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(JSON.parse(out) as unknown[]);
      else
        reject(
          new Error(
            `observer ended with ${code ?? signal}: ${error.trim().split('\n').slice(-3).join(' | ')}`,
          ),
        );
    });
    child.stdin.on('error', () => {});
    child.stdin.end(JSON.stringify(steps));
  });
}

/** Per group: [frame number, member, hash]. */
export type Seen = Record<string, [number, number, number][]>;

/** The sightings of a group by frame number. */
export function byFrame(seen: unknown, group: string): Map<number, { member: number; hash: number }> {
  return new Map((seen as Seen)[group]!.map(([frame, member, hash]) => [frame, { member, hash }]));
}

export const toHex = (frame: Uint8Array): string => Buffer.from(frame).toString('hex');
