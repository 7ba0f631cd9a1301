/**
 * Asks a real ovs-vswitchd which PMD thread polls each queue.
 *
 * Promise: a switch and a database of their own, in a folder that goes away; ports and CPUs are dummies (`--enable-dummy`,
 * `--dummy-numa`), so that no device and no huge pages are needed. Its PMD threads spin as long as the check takes.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answersOf } from '../answers.js';
import { type Check, type Compiled, type Request, Uncheckable } from '../back-end.js';
import { corpusFor } from '../bpf/load.js';
import { makeCorpus } from '../corpus.js';
import { runTool } from '../run-tool.js';

const TARGET = 'ovs';
const PACKAGE = 'openvswitch-switch';
const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';
const DIFFER_MAX = 5;
const PORT = 'p0';

/** CPU of each queue of a port, of `ovs-appctl dpif-netdev/pmd-rxq-show`. */
export function parseRxqShow(text: string, port: string): Map<number, number> {
  const found = new Map<number, number>();
  let core = -1;
  for (const line of text.split('\n')) {
    const thread = /^pmd thread numa_id -?\d+ core_id (\d+):/.exec(line);
    const queue = /^\s+port: (\S+)\s+queue-id:\s+(\d+)/.exec(line);
    if (thread !== null) core = Number(thread[1]);
    else if (queue !== null && queue[1] === port) found.set(Number(queue[2]), core);
  }
  return found;
}

/** Ends a daemon by its own pid file. */
function end(folder: string, name: string): void {
  try {
    process.kill(Number(readFileSync(join(folder, `${name}.pid`), 'utf8')), 'SIGTERM');
  } catch {
    // It has not started, or is gone.
  }
}

/** Runs the commands on a switch with a dummy port; what pmd-rxq-show says. */
async function askSwitch(commands: readonly string[], workers: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'rxsteer-ovs-'));
  const env = Object.fromEntries(['RUN', 'LOG', 'DB', 'SYSCONF'].map((what) => [`OVS_${what}DIR`, folder]));
  const call = (...words: string[]) => runTool(TARGET, words, { env, cwd: folder, from: PACKAGE });
  const socket = join(folder, 'db.sock');
  const vsctl = `ovs-vsctl --timeout=60 --db=unix:${socket}`;
  try {
    await call('ovsdb-tool', 'create', join(folder, 'conf.db'), SCHEMA);
    const daemon = (name: string) => [
      '--detach',
      '--no-chdir',
      '-vconsole:off',
      `--pidfile=${join(folder, `${name}.pid`)}`,
    ];
    await call('ovsdb-server', ...daemon('db'), `--remote=punix:${socket}`, join(folder, 'conf.db'));
    await call('sh', '-c', `${vsctl} --no-wait init`);
    const numa = `--dummy-numa=${Array.from({ length: Math.max(workers, 1) }, () => 0).join(',')}`;
    await call(
      'ovs-vswitchd',
      ...daemon('switch'),
      '--enable-dummy=override',
      '--disable-system',
      '--disable-system-route',
      numa,
      `unix:${socket}`,
    );
    const port = `add-port br0 ${PORT} -- set Interface ${PORT} type=dummy-pmd`;
    await call(
      'sh',
      '-c',
      `${vsctl} add-br br0 -- set bridge br0 datapath-type=dummy fail-mode=secure -- ${port}`,
    );
    for (const command of commands) {
      if (command.startsWith('#')) continue;
      const own = command
        .replace(/^ovs-vsctl/, vsctl)
        .replace(/ Interface (?:"\$DEV"|'[^']*'|\S+) /, ` Interface ${PORT} `);
      await call('sh', '-c', own);
    }
    const pid = readFileSync(join(folder, 'switch.pid'), 'utf8').trim();
    return await call(
      'ovs-appctl',
      '-t',
      join(folder, `ovs-vswitchd.${pid}.ctl`),
      'dpif-netdev/pmd-rxq-show',
    );
  } finally {
    end(folder, 'switch');
    end(folder, 'db');
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The check of the target. @throws Uncheckable */
export async function checkOvs(request: Request, { commands }: Compiled, packets: number): Promise<Check> {
  const { spec, steering } = request;
  const shown = await askSwitch(commands, steering.workers);
  const found = parseRxqShow(shown, PORT);
  if (found.size === 0) throw new Uncheckable(TARGET, 'the switch shows no queue of the port');
  const corpus = makeCorpus(packets, corpusFor(spec));
  const { queues, workers } = answersOf(steering, corpus);
  const cpuOf = (i: number) => found.get(Math.max(0, queues[i]!)) ?? -1;
  const wrong = [...workers.keys()].filter((i) => workers[i] !== cpuOf(i));
  const lines = wrong.map((i) => `queue ${queues[i]}: policy CPU ${workers[i]}, target CPU ${cpuOf(i)}`);
  return {
    packets,
    agree: packets - wrong.length,
    how: `pmd-rxq-show of an ovs-vswitchd with dummy ports and CPUs: ${found.size} queues on ${new Set(found.values()).size} PMD threads`,
    differ: [...new Set(lines)].slice(0, DIFFER_MAX),
  };
}
