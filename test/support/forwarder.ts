/** The forwarder as a user starts it: the built command line, in a namespace of a lab. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Lab, privileged } from './lab.js';
import type { Process } from './processes.js';
import type { Summary } from './summary.js';

export const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const ADDON = fileURLToPath(new URL('../../build/Release/rxsteer.node', import.meta.url));

/** True where a forwarder can run between namespaces: privileges, and the native addon is built. */
export function canForward(): boolean {
  if (existsSync(ADDON)) return privileged();
  process.stderr.write('tests of live forwarding are skipped: the native addon is not built\n');
  return false;
}

export interface RunningForwarder {
  readonly process: Process;
  /** SIGINT (or another), then the summary it prints. */
  stop(signal?: NodeJS.Signals): Promise<Summary>;
  /** Awaits the end that comes by itself (finite sources, `--duration`). */
  finish(patienceMs?: number): Promise<Summary>;
}

/** Starts `rxsteer forward … --json` in the namespace and awaits its `ready`. */
export async function startForwarder(lab: Lab, ns: string, ...args: string[]): Promise<RunningForwarder> {
  const started = lab.start(ns, 'node', CLI, 'forward', ...args, '--json');
  await started.line(/^ready\b/m);
  const summarise = async (): Promise<Summary> => {
    await started.expectExit(0);
    return JSON.parse(started.stdout) as Summary;
  };
  return {
    process: started,
    async stop(signal = 'SIGINT') {
      await started.stop(signal);
      return summarise();
    },
    async finish(patienceMs) {
      await started.finish(patienceMs);
      return summarise();
    },
  };
}
