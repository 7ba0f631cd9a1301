/**
 * The Slurm array of docs/sweep.md, as it stands there, on a cluster of one machine: its own munge, controller and node,
 * in folders of the test, on loopback.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CLI } from '../support/forwarder.js';
import { Process } from '../support/processes.js';
import { makeCapture } from '../sweep/support.js';

function missingOf(): string | null {
  if (process.getuid?.() !== 0) return 'Slurm needs root here';
  for (const [name, from] of [
    ['slurmctld', 'slurm-wlm'],
    ['slurmd', 'slurm-wlm'],
    ['munged', 'munge'],
  ]) {
    if (spawnSync(name!, ['-V']).error !== undefined)
      return `${name} is not installed: apt-get install ${from}`;
  }
  return null;
}

const missing = missingOf();
if (missing !== null) process.stderr.write(`the Slurm array is not tested: ${missing}\n`);

let folder: string;
let environment: NodeJS.ProcessEnv;
const daemons: Process[] = [];
const path = (name: string) => join(folder, name);
const sorted = (name: string) => readFileSync(path(name), 'utf8').split('\n').sort().join('\n');
const call = (program: string, ...args: string[]) =>
  execFileSync(program, args, { cwd: folder, env: environment, encoding: 'utf8' }).trim();

function daemon(...command: string[]): Process {
  const started = new Process(command, environment);
  daemons.push(started);
  return started;
}

/** Starts the cluster. */
async function startCluster(): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-slurm-'));
  chmodSync(folder, 0o755);
  for (const name of ['bin', 'state', 'spool', 'captures', 'munge']) mkdirSync(path(name), { mode: 0o755 });
  writeFileSync(path('bin/rxsteer'), `#!/bin/sh\nexec ${process.execPath} ${CLI} "$@"\n`, { mode: 0o755 });
  writeFileSync(path('munge.key'), randomBytes(1024), { mode: 0o400 });
  const name = hostname().split('.')[0]!;
  const port = 20_000 + (process.pid % 10_000) * 2;
  const socket = path('munge/munge.socket');
  writeFileSync(
    path('slurm.conf'),
    [
      ...['ClusterName=rxsteer', `SlurmctldHost=${name}(127.0.0.1)`, `SlurmctldPort=${port}`],
      ...[`SlurmdPort=${port + 1}`, 'SlurmUser=root', 'SlurmdUser=root', 'AuthType=auth/munge'],
      ...[`AuthInfo=socket=${socket}`, 'CredType=cred/munge', `StateSaveLocation=${path('state')}`],
      ...[`SlurmdSpoolDir=${path('spool')}`, `SlurmctldPidFile=${path('ctld.pid')}`],
      ...[`SlurmdPidFile=${path('d.pid')}`, 'ProctrackType=proctrack/linuxproc', 'TaskPlugin=task/none'],
      ...['SelectType=select/cons_tres', 'SelectTypeParameters=CR_CPU', 'ReturnToService=2'],
      ...['JobAcctGatherType=jobacct_gather/none', 'AccountingStorageType=accounting_storage/none'],
      ...[
        'MpiDefault=none',
        'SwitchType=switch/none',
        'SlurmdParameters=config_overrides',
        'SchedulerParameters=sched_interval=1',
      ],
      `NodeName=${name} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN`,
      `PartitionName=all Nodes=${name} Default=YES MaxTime=INFINITE State=UP`,
      '',
    ].join('\n'),
  );
  environment = {
    ...process.env,
    SLURM_CONF: path('slurm.conf'),
    PATH: `${path('bin')}:/usr/sbin:${process.env.PATH}`,
  };
  const munge = ['--foreground', '--force', `--socket=${socket}`, `--key-file=${path('munge.key')}`];
  const files = [
    `--pid-file=${path('munge/pid')}`,
    `--log-file=${path('munge/log')}`,
    `--seed-file=${path('munge/seed')}`,
  ];
  daemon('munged', ...munge, ...files);
  await expect.poll(() => spawnSync('munge', ['-n', `--socket=${socket}`]).status).toBe(0);
  daemon('slurmctld', '-D', '-c', '-f', path('slurm.conf'));
  await expect
    .poll(() => spawnSync('scontrol', ['ping'], { env: environment }).stdout.toString())
    .toContain('UP');
  daemon('slurmd', '-D', '-f', path('slurm.conf'), '-N', name);
  await expect
    .poll(() => spawnSync('sinfo', ['-h', '-o', '%t'], { env: environment }).stdout.toString().trim())
    .toBe('idle');
}

afterAll(async () => {
  for (const one of daemons.reverse()) {
    one.signal('SIGTERM');
    await one.finish().catch(() => one.kill());
  }
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(missing !== null)('a sweep as a Slurm array', () => {
  it('is the sweep of one machine', async () => {
    await startCluster();
    const docs = readFileSync(new URL('../../docs/sweep.md', import.meta.url), 'utf8');
    const [, script] = /```bash\n(#!\/bin\/bash\n#SBATCH[\s\S]*?)```/.exec(docs)!;
    // As it stands there, but for as many processors as this node has.
    writeFileSync(path('sweep.sbatch'), script!.replace('--cpus-per-task=4', '--cpus-per-task=1'));
    const [, submit] = /\$ job=\$\(sbatch (--parsable sweep\.sbatch)\)\n/.exec(docs)!;
    const [, dependency, wrapped] = /\$ sbatch (--dependency=afterany:)\$job --wrap '(.*)'/.exec(docs)!;
    await makeCapture(path('captures/a.pcap'), { packets: 500, flows: 20 });
    await makeCapture(path('captures/b.pcap'), { packets: 2000, flows: 20 });
    writeFileSync(path('grid.yaml'), 'policies: [rss, rps]\nqueues: 2,4,8\nseeds: 1-8\n');
    const job = call('sbatch', ...submit!.split(' '));
    const last = call(
      'sbatch',
      '--parsable',
      '--output=merge.log',
      `${dependency}${job}`,
      '--wrap',
      wrapped!,
    );
    await expect
      .poll(() => call('squeue', '-h', '-j', last, '-t', 'all', '-o', '%T'), {
        timeout: 900_000,
        interval: 1000,
      })
      .toMatch(/COMPLETED|FAILED|CANCELLED/);
    expect(readFileSync(path('merge.log'), 'utf8')).toContain('all.jsonl: 54 cells');
    call(
      'rxsteer',
      'sweep',
      'captures/a.pcap',
      'captures/b.pcap',
      '--grid',
      'grid.yaml',
      '--out',
      'one.jsonl',
    );
    expect(sorted('all.jsonl')).toBe(sorted('one.jsonl'));
    const logs = Array.from({ length: 16 }, (_, i) => readFileSync(path(`sweep-${i + 1}.log`), 'utf8'));
    for (const [i, log] of logs.entries()) expect(log).toContain(`shard ${i + 1}/16: `);
  });
});
