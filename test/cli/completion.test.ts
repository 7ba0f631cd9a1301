/** Completion, asked for as shells ask, and in the shells themselves. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { NIC_NAMES } from '#rxsteer/nic/profiles.js';
import { POLICY_NAMES } from '#rxsteer/policy/spec.js';
import { CLI } from '../support/forwarder.js';
import { SLOW } from '../support/slow.js';
import { rxsteer } from './run.js';

const complete = async (...words: string[]) => {
  const { code, stdout, stderr } = await rxsteer(['__complete', ...words]);
  expect([code, stderr]).toEqual([0, '']);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t')[0]!);
};

describe('candidates', () => {
  it('are commands, options and sub-commands', async () => {
    expect(await complete('')).toEqual(
      expect.arrayContaining(['forward', 'explain', 'flows', 'ctl', 'schema']),
    );
    expect(await complete('fl')).toEqual(['flows']);
    expect(await complete('flows', '--wor')).toEqual(['--worker', '--workers']);
    expect(await complete('ctl', 'ro')).toEqual(['rollback']);
    expect(await complete('ctl', 'worker', 'r')).toEqual(['remove']);
    expect(await complete('ctl', 'stats', '--so')).toEqual(['--socket']);
  });

  it('are all policies, all NICs, keys and their values', async () => {
    expect((await complete('explain', '--policy', '')).map((word) => word.replace(':', ''))).toEqual(
      expect.arrayContaining([...POLICY_NAMES]),
    );
    expect(await complete('explain', '--policy', 'rss:nic=')).toEqual(
      NIC_NAMES.map((name) => `rss:nic=${name}`),
    );
    expect(await complete('nics', '')).toEqual([...NIC_NAMES]);
    expect(await complete('explain', '--policy', 'rss:queues=4,sym')).toEqual(['rss:queues=4,symmetric=']);
    expect(await complete('explain', '--policy=rps:hash=')).toEqual([
      '--policy=rps:hash=linux',
      '--policy=rps:hash=toeplitz',
    ]);
    expect(await complete('explain', '--policy', 'rss:types=ipv4+tcp-ipv6')).toEqual([
      'rss:types=ipv4+tcp-ipv6',
      'rss:types=ipv4+tcp-ipv6-ex',
    ]);
    expect(await complete('explain', '--policy', 'rss:queues=4,queues')).toEqual([]);
  });

  it('are the interfaces that there are, and options of a port', async () => {
    const [name] = Object.keys(networkInterfaces());
    if (name !== undefined)
      expect(await complete('forward', '--port', 'a=af_packet:')).toContain(`a=af_packet:${name}`);
    expect(await complete('forward', '--port', 'a=t')).toEqual(['a=tap:']);
    expect(await complete('forward', '--port', 'a=tap:x,off')).toEqual(['a=tap:x,offload=']);
    expect(await complete('forward', '--port', 'a=pcap:')).toEqual([':files']);
  });

  it('are none where the line is wrong', async () => {
    expect(await complete('forwrd', '')).toEqual([]);
    expect(await complete('explain', '--policy', 'rsss:')).toEqual([]);
  });
});

const folder = mkdtempSync(join(tmpdir(), 'rxsteer-completion-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'rxsteer'), `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`, {
  mode: 0o755,
});
symlinkSync('/dev/null', join(folder, 'capture.pcap'));
const env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, HOME: folder };

const has = (shell: string) => {
  const there = spawnSync(shell, ['-c', 'true']).status === 0;
  if (!there) console.error(`completion in ${shell} is not tested: package ${shell} is not installed`);
  return there;
};
const run = (shell: string, script: string) =>
  execFileSync(shell, ['-c', script], { env, cwd: folder, encoding: 'utf8', timeout: 60_000 * SLOW });

describe.skipIf(!has('bash'))('in bash', () => {
  /** As readline calls it: the words as bash divides them, what is left of the line, and what it would insert. */
  const bash = (line: string) =>
    run(
      'bash',
      `eval "$(rxsteer completion bash)"; COMP_LINE='${line}'; COMP_POINT=\${#COMP_LINE}; compopt() { :; }; _rxsteer; printf '%s\\n' "\${COMPREPLY[@]}"`,
    ).trimEnd();

  it('completes commands, and policies behind the breaks of bash', () => {
    expect(run('bash', 'eval "$(rxsteer completion bash)"; complete -p rxsteer')).toBe(
      'complete -F _rxsteer rxsteer\n',
    );
    expect(bash('rxsteer expl')).toBe('explain');
    expect(bash('rxsteer explain --policy rss:nic=mlx5-')).toBe('mlx5-dpdk');
    expect(bash('rxsteer explain --policy rss:queues=4,symm')).toBe('4,symmetric=');
  });
});

describe.skipIf(!has('zsh'))('in zsh', () => {
  it('asks the program and adds what it says', () => {
    const script = `compdef() { :; }; eval "$(rxsteer completion zsh)"
      compadd() { print -r -- "$@"; print -rl -- "\${(@P)@[-1]}"; }
      words=(rxsteer explain --policy rss:nic=mlx5-); CURRENT=4; _rxsteer`;
    expect(run('zsh', script).split('\n')).toContain('rss:nic=mlx5-dpdk');
  });

  it('is a script that zsh reads', () => {
    expect(run('zsh', 'rxsteer completion zsh > c.zsh; zsh -n c.zsh && echo fine')).toBe('fine\n');
  });
});

describe.skipIf(!has('fish'))('in fish', () => {
  it('completes as fish itself asks', () => {
    const fish = (line: string) =>
      run('fish', `rxsteer completion fish | source; complete -C '${line}'`).trimEnd().split('\n');
    expect(fish('rxsteer expl')).toEqual(['explain']);
    expect(fish('rxsteer explain --policy rss:nic=mlx5-')).toEqual(['rss:nic=mlx5-dpdk']);
    expect(fish('rxsteer ctl roll')).toEqual(['rollback\tundo the last change of policy, table or owners']);
  });
});
