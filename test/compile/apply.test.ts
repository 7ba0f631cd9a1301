/** `--apply --yes` in a network namespace of its own: the commands, and what takes them back. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import { apply } from '#rxsteer/compile/apply.js';
import { privileged } from '../support/lab.js';

const run = promisify(execFile);
const main = fileURLToPath(import.meta.resolve('#rxsteer/cli/main.js'));
const LINK = 'ip link add v0 numrxqueues 2 numtxqueues 2 type veth peer name v1 numrxqueues 2 numtxqueues 2';
const MASKS = 'cat /sys/class/net/v0/queues/rx-*/rps_cpus';

/** Runs a script of the shell where nothing is anybody else's. */
async function inside(script: string): Promise<string> {
  const words = ['-n', '-m', 'sh', '-e', '-c', `mount -t sysfs sysfs /sys; ${LINK}; ${script}`];
  const { stdout } = await run('unshare', [...words, process.execPath, main], { timeout: 60_000 });
  return stdout;
}

describe.skipIf(!privileged() || loadNative() === null)('compile --apply', () => {
  it('sets the queues of the device, and its undo takes that back', async () => {
    const call = '"$0" "$1" compile --policy rps:cpus=0 --to sysfs --dev v0 --apply --yes --json';
    const text = await inside(`echo 1 > /sys/class/net/v0/queues/rx-1/rps_cpus; ${call}; echo; ${MASKS}`);
    const [document, masks] = text.split('\n}\n');
    expect(
      masks!
        .trim()
        .split(/\s+/)
        .map((mask) => Number.parseInt(mask, 16)),
    ).toEqual([1, 1]);
    const { undo } = JSON.parse(`${document}\n}`) as { undo: string[] };
    expect(undo).toEqual([
      'echo 1 > /sys/class/net/v0/queues/rx-1/rps_cpus',
      'echo 0 > /sys/class/net/v0/queues/rx-0/rps_cpus',
    ]);
  });
});

describe('apply', () => {
  const made = (commands: string[], undo: string[]) => ({
    target: 'sysfs' as const,
    commands,
    undo,
    cannot: [],
  });

  it('takes back what was done where a command fails, and says which it was', () => {
    expect(() => apply(made(['# a word', 'true', 'echo no room >&2; false'], ['true']))).toThrow(
      '"echo no room >&2; false": no room; what was done is taken back',
    );
    expect(() => apply(made(['exit 3'], ['exit 4']))).toThrow(
      '"exit 3": exit code 3; not taken back: exit 4',
    );
    expect(apply(made(['true'], []))).toBeUndefined();
  });
});
