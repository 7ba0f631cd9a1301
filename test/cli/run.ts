/** Runs the program: as a process of its own, or in this one, which is much quicker. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runProgram } from '#rxsteer/cli/program.js';
import { SLOW } from '../support/slow.js';

const main = fileURLToPath(import.meta.resolve('#rxsteer/cli/main.js'));

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program as users start it. */
export function spawnProgram(args: readonly string[], input = ''): Run {
  const { NO_COLOR: _, FORCE_COLOR: __, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    input,
    encoding: 'utf8',
    env,
    timeout: 60_000 * SLOW,
  });
  return { code: status, stdout, stderr };
}

/** The same in this process, with variables of its environment. */
export async function rxsteerWith(
  variables: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<Run> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    return await rxsteer(args);
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** The same in this process. One at a time. */
export async function rxsteer(args: readonly string[]): Promise<Run> {
  const streams = [process.stdout, process.stderr] as const;
  const originals = streams.map((stream) => stream.write);
  const texts = ['', ''];
  streams.forEach((stream, i) => {
    stream.write = ((chunk: string | Uint8Array) => {
      texts[i] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      return true;
    }) as typeof stream.write;
  });
  try {
    const code = await runProgram(args);
    return { code, stdout: texts[0]!, stderr: texts[1]! };
  } finally {
    streams.forEach((stream, i) => {
      stream.write = originals[i]!;
    });
  }
}
