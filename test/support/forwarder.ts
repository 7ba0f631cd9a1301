/** The forwarder as a user starts it: the built command line, in a namespace of a lab. */
import { fileURLToPath } from 'node:url';
import type { Lab } from './lab.js';
import type { Process } from './processes.js';
import type { Summary } from './summary.js';

export const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface RunningForwarder {
  readonly process: Process;
  /** SIGINT (or another), then the summary it prints. */
  stop(signal?: NodeJS.Signals): Promise<Summary>;
  /** Awaits the end that comes by itself (finite sources, `--duration`). */
  finish(patienceMs?: number): Promise<Summary>;
}

/** Starts `rxsteer forward … --json` in the namespace and awaits its `ready`. */
export async function startForwarder(lab: Lab, ns: string, ...args: string[]): Promise<RunningForwarder> {
  const process = lab.start(ns, 'node', CLI, 'forward', ...args, '--json');
  await process.line(/^ready\b/m);
  const summarise = async (): Promise<Summary> => {
    await process.expectExit(0);
    return JSON.parse(process.stdout) as Summary;
  };
  return {
    process,
    async stop(signal = 'SIGINT') {
      await process.stop(signal);
      return summarise();
    },
    async finish(patienceMs) {
      await process.finish(patienceMs);
      return summarise();
    },
  };
}
