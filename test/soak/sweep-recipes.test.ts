/**
 * The recipes of docs/sweep.md for many machines, as they stand there: GNU parallel and plain ssh over three hosts that are
 * this machine (a daemon of the test's own on loopback), and the Kubernetes Job, read by kubectl and run index by index.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { CLI } from '../support/forwarder.js';
import { installed, onPath } from '../support/lab.js';
import { Process } from '../support/processes.js';
import { makeCapture } from '../sweep/support.js';

const HOSTS = ['ant', 'bee', 'cat'];
const docs = readFileSync(new URL('../../docs/sweep.md', import.meta.url), 'utf8');

let folder: string;
let environment: NodeJS.ProcessEnv;
let daemon: Process | undefined;
const path = (name: string) => join(folder, name);
const sorted = (name: string) => readFileSync(path(name), 'utf8').split('\n').sort().join('\n');
/** Runs a script as people paste it. */
const bash = (script: string, more: NodeJS.ProcessEnv = {}) =>
  execFileSync('bash', ['-euc', script], {
    ...{ cwd: folder, env: { ...environment, ...more }, encoding: 'utf8', stdio: 'pipe' },
  });

/** The recipe that begins so, with the folder of the test for its `/data`. */
function recipe(start: string): string {
  const found = [...docs.matchAll(/```(?:bash|yaml)\n([\s\S]*?)```/g)].find(([, text]) =>
    text!.startsWith(start),
  );
  return found![1]!.replaceAll('/data', folder);
}

/** Missing, named once. */
function lacks(...programs: (readonly [string, string])[]): boolean {
  const missing = programs.filter(([name]) => !installed(name) && onPath(`../sbin/${name}`) === undefined);
  for (const [name, from] of missing) process.stderr.write(`a recipe is not tried: no ${name} (${from})\n`);
  return missing.length > 0;
}
const noSsh = lacks(['sshd', 'openssh-server'], ['ssh-keygen', 'openssh-client']) || process.getuid?.() !== 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-recipes-'));
  for (const name of ['bin', 'captures']) mkdirSync(path(name));
  writeFileSync(path('bin/rxsteer'), `#!/bin/sh\nexec ${process.execPath} ${CLI} "$@"\n`, { mode: 0o755 });
  environment = { ...process.env, PATH: `${path('bin')}:${process.env.PATH}`, HOME: folder };
  await makeCapture(path('captures/a.pcap'), { packets: 500, flows: 20 });
  await makeCapture(path('captures/b.pcap'), { packets: 2000, flows: 20 });
  writeFileSync(path('grid.yaml'), 'policies: [rss, rps]\nqueues: 2,4,8\nseeds: 1-4\n');
  bash('rxsteer sweep captures/*.pcap --grid grid.yaml --out one.jsonl');
});
beforeEach(() => bash('rm -f part-*.jsonl part-*.plan all.jsonl*'));
afterAll(async () => {
  daemon?.kill();
  await daemon?.ended;
  rmSync(folder, { recursive: true, force: true });
});

/** A daemon on loopback, and a client that knows it by three names. */
async function startHosts(): Promise<void> {
  if (daemon !== undefined) return;
  for (const name of ['host', 'user']) bash(`ssh-keygen -q -t ed25519 -N '' -f ${name}.key`);
  mkdirSync('/run/sshd', { recursive: true });
  const port = 20_000 + (process.pid % 20_000);
  const settings = [
    ...[`Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${path('host.key')}`, 'PidFile none'],
    ...[`AuthorizedKeysFile ${path('user.key.pub')}`, 'StrictModes no', 'PermitRootLogin yes', 'UsePAM no'],
    ...['PasswordAuthentication no', `SetEnv PATH=${environment.PATH}`],
  ];
  writeFileSync(path('sshd_config'), `${settings.join('\n')}\n`);
  const options = [
    ...['HostName 127.0.0.1', `Port ${port}`, 'User root', `IdentityFile ${path('user.key')}`],
    ...['StrictHostKeyChecking no', `UserKnownHostsFile ${path('known')}`, 'LogLevel ERROR'],
  ];
  writeFileSync(
    path('ssh_config'),
    `Host ${HOSTS.join(' ')}\n${options.map((one) => `  ${one}\n`).join('')}`,
  );
  writeFileSync(path('bin/ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F ${path('ssh_config')} "$@"\n`, {
    mode: 0o755,
  });
  writeFileSync(path('hosts'), `${HOSTS.join('\n')}\n`);
  daemon = new Process(['/usr/sbin/sshd', '-D', '-e', '-f', path('sshd_config')]);
  await expect.poll(() => spawnSync('ssh', ['ant', 'true'], { env: environment }).status).toBe(0);
}

describe('recipes', () => {
  it.skipIf(noSsh || lacks(['parallel', 'parallel']))('GNU parallel over hosts', async () => {
    await startHosts();
    bash(recipe('parallel '));
    bash('rxsteer sweep merge part-*.jsonl --out all.jsonl');
    expect(sorted('all.jsonl')).toBe(sorted('one.jsonl'));
    const log = readFileSync(path('sweep.log'), 'utf8').trimEnd().split('\n').slice(1);
    expect(log).toHaveLength(16);
    expect(new Set(log.map((row) => row.split('\t')[1])).size).toBeGreaterThan(1);
  });

  it.skipIf(noSsh)('ssh, a shard a host', async () => {
    await startHosts();
    bash(recipe('hosts=('));
    expect(sorted('all.jsonl')).toBe(sorted('one.jsonl'));
  });

  it('a Kubernetes Job, index by index', () => {
    const job = parse(recipe('apiVersion: batch/v1'));
    const { completions, template } = job.spec;
    const [{ command, args, workingDir }] = template.spec.containers;
    expect(workingDir).toBe(folder);
    for (let index = 0; index < completions; index++) {
      execFileSync(command[0], [...command.slice(1), ...args], {
        ...{ cwd: workingDir, env: { ...environment, JOB_COMPLETION_INDEX: `${index}` }, stdio: 'pipe' },
      });
    }
    bash('rxsteer sweep merge part-*.jsonl --out all.jsonl');
    expect(sorted('all.jsonl')).toBe(sorted('one.jsonl'));
  });

  it.skipIf(lacks(['kubectl', 'a client of Kubernetes']))('whose every field is one of Kubernetes', () => {
    const text = recipe('apiVersion: batch/v1');
    writeFileSync(path('job.yaml'), text);
    // What its types do not know is not in what it prints.
    const typed = JSON.parse(bash('kubectl set resources --local -f job.yaml --limits=cpu=1 -o json'));
    expect(typed).toMatchObject(parse(text));
    writeFileSync(path('job.yaml'), text.replace('completionMode', 'completionMod'));
    const other = JSON.parse(bash('kubectl set resources --local -f job.yaml --limits=cpu=1 -o json'));
    expect(other).not.toMatchObject(parse(text));
  });
});
