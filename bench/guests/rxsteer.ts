/** This program in front of guests: started with ports and a policy, asked for its counters while it runs. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ask } from '#rxsteer/control/client.js';
import type { Summary } from '#rxsteer/index.js';
import { Child } from '../lab/process.js';

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));

export interface Asked {
  /** `--port` each. */
  readonly ports: readonly string[];
  readonly policy: string;
  readonly workers: number;
  readonly cpus?: string;
  readonly mode?: 'wire' | 'switch';
  readonly namespace?: string;
}

export class Forwarding {
  private constructor(
    private readonly child: Child,
    private readonly control: string,
  ) {}

  /** @param folder for its control socket */
  static async start(folder: string, name: string, asked: Asked): Promise<Forwarding> {
    const { ports, policy, workers, cpus, mode = 'switch', namespace } = asked;
    const control = join(folder, `${name}.control`);
    const child = new Child(
      name,
      [
        ...[process.execPath, MAIN, 'forward', ...ports.flatMap((port) => ['--port', port])],
        ...['--policy', policy, '--workers', String(workers), '--mode', mode],
        ...(cpus === undefined ? [] : ['--cpus', cpus]),
        ...['--control', control, '--json', '--end-with-stdin'],
      ],
      namespace === undefined ? {} : { namespace },
    );
    try {
      await child.until(/^ready$/m, 60_000);
    } catch (error) {
      child.kill();
      throw error;
    }
    return new Forwarding(child, control);
  }

  get pid(): number {
    return this.child.pid;
  }

  /** Counters as they are now. */
  stats(): Promise<Summary> {
    return ask<Summary>(this.control, 'GET', '/stats');
  }

  async policy(policy: string): Promise<void> {
    await ask(this.control, 'POST', '/apply', { policy });
  }

  async stop(): Promise<void> {
    await this.child.end(null, 5000);
  }

  kill(): void {
    this.child.kill();
  }
}

/** Times that two workers wanted the same transmit queue or ring, and nanoseconds waited, so far. */
export function lockWaits({ workers }: Summary): { contended: number; waitedNs: number } {
  const sum = (pick: (w: Summary['workers'][number]) => number) => workers.reduce((a, w) => a + pick(w), 0);
  return { contended: sum((w) => w.txLock.contended), waitedNs: sum((w) => w.txLock.waitedNs) };
}
