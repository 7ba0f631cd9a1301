/** What `rxsteer forward` says to wrong calls: one line, exit code 2, nothing on standard output. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { privileged, withLab } from '../support/lab.js';
import { rxsteer as here } from './run.js';
import { type Result, rxsteer, UNPRIVILEGED } from './run-cli.js';

const CALLS = fileURLToPath(new URL('calls.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'rxsteer-input-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const two = ['--port', 'a=memory:source,packets=10', '--port', 'b=memory:sink'];
const ports = (...texts: string[]) => texts.flatMap((text) => ['--port', text]);

/** It was refused in one line, and said nothing else. */
function expectLine({ code, stdout, stderr }: Result, line: string | RegExp) {
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^rxsteer: [^\n]+\n$/);
  const message = stderr.slice('rxsteer: '.length, -1);
  if (typeof line === 'string') expect(message).toBe(line);
  else expect(message).toMatch(line);
  expect(code).toBe(2);
}

/** Without `before`, the call is made in this process, which is much quicker. */
async function expectRefusal(args: readonly string[], line: string | RegExp, before?: readonly string[]) {
  const call = ['forward', ...args];
  expectLine(before === undefined ? await here(call) : await rxsteer(call, { before }), line);
}

const text = file('no.pcap', 'this is no capture at all, only text');
const cut = file('cut.pcap', '');
const config = (name: string, content: string) => ['--config', file(name, content)];
const configPath = (name: string) => join(folder, name);
const list = 'ports: ["a=memory:source,packets=10", b=memory:sink]\n';

const calls: [string, string[], string | RegExp][] = [
  ['no port', [], 'forward needs at least two ports (--port NAME=KIND:TARGET, twice or more), not 0'],
  [
    'one port',
    ports('a=memory:source'),
    'forward needs at least two ports (--port NAME=KIND:TARGET, twice or more), not 1',
  ],
  ['an unknown option', [...two, '--polcy', 'rss'], /unknown option '--polcy'.*--policy/],
  ['an option without its value', [...two, '--workers'], /--workers.*argument missing/],
  ['an operand', [...two, 'rss'], /rss|too many arguments/],
  ['an unknown policy', [...two, '--policy', 'rsss'], /unknown policy "rsss": did you mean rss/],
  [
    'an unknown key of a policy',
    [...two, '--policy', 'rss:que=2'],
    /unknown key of policy rss "que": did you mean queues/,
  ],
  ['an empty policy', [...two, '--policy', ''], /policy/],
  [
    'a missing policy file',
    [...two, '--policy', '@/nowhere.yaml'],
    /policy file \/nowhere\.yaml.*no such file/i,
  ],
  ['an unknown mode', [...two, '--mode', 'hub'], '--mode hub: expected wire or switch'],
  [
    'a wire with three ports',
    [...two, ...ports('c=memory:sink'), '--mode', 'wire'],
    '--mode wire joins exactly two ports, not 3: use --mode switch',
  ],
  ['a port named twice', ports('a=memory:source', 'a=memory:sink'), '--port a: this name is given twice'],
  [
    'a long interface name',
    ports('a=af_packet:abcdefghijklmnop', 'b=memory:sink'),
    '--port a: interface name "abcdefghijklmnop" is longer than 15 bytes',
  ],
  ...['0', '257', '-1', '1.5', 'x', ''].map((n): [string, string[], string] => [
    `--workers ${n}`,
    [...two, `--workers=${n}`],
    `--workers ${n}: expected a whole number from 1 to 256`,
  ]),
  ['--backlog 0', [...two, '--backlog', '0'], '--backlog 0: expected a whole number from 1 to 1048576'],
  ['--frames 1', [...two, '--frames', '1'], '--frames 1: expected a whole number from 256 to 4194304'],
  ['--large-frames x', [...two, '--large-frames', 'x'], /^--large-frames x: expected a whole number/],
  ['--spin -1', [...two, '--spin=-1'], /^--spin -1: expected a whole number from 0/],
  ['--latency fast', [...two, '--latency=fast'], /^unknown --latency "fast": .*normal, low/],
  ['too much memory', [...two, '--frames', '4194304'], /^--frames, .* ask for 8\.\d GiB of memory/],
  ['--duration 0', [...two, '--duration', '0'], '--duration 0: expected a number of seconds above 0'],
  ['--duration 1h', [...two, '--duration', '1h'], '--duration 1h: expected a number of seconds above 0'],
  ['--stats -1', [...two, '--stats=-1'], '--stats -1: expected a number of seconds above 0'],
  ['a CPU that is missing', [...two, '--cpus', '4000'], /^--cpus: .*4000/],
  ['a list of CPUs that is none', [...two, '--cpus', '0-'], /^--cpus/],
  [
    'fewer CPUs than workers',
    [...two, '--workers', '2', '--cpus', '0'],
    /^--cpus names 1 CPU\(s\) for 2 workers/,
  ],
  ['a worker that the policy lacks', [...two, '--policy', 'rps:cpus=0-3', '--workers', '2'], /worker|CPU/],
  ['a wrong fault', [...two, '--fault', 'nap@0'], /^fault "nap@0": expected STAGE@WORKER/],
  [
    'a missing capture',
    ports('a=pcap:/nowhere.pcap', 'b=memory:sink'),
    /^--port a: \/nowhere\.pcap.*(no such file|ENOENT)/i,
  ],
  ['a capture that is a folder', ports(`a=pcap:${folder}`, 'b=memory:sink'), /^--port a: .*directory/i],
  ['a capture that is none', ports(`a=pcap:${text}`, 'b=memory:sink'), /^--port a: .*no\.pcap/],
  ['an empty capture', ports(`a=pcap:${cut}`, 'b=memory:sink'), /^--port a: .*cut\.pcap/],
  [
    'a capture that cannot be written',
    ports('a=memory:source', 'b=pcap:/nowhere/out.pcap,mode=write'),
    /^--port b: \/nowhere\/out\.pcap/,
  ],
  [
    'a config that is missing',
    ['--config', '/nowhere.yaml'],
    '--config /nowhere.yaml: ENOENT: no such file or directory',
  ],
  [
    'a config that is no YAML',
    config('bad.yaml', 'ports: [a\nb: {'),
    /^--config .*bad\.yaml: .*line 2, column \d+$/,
  ],
  ['an empty config', config('empty.yaml', ''), /^--config .*empty\.yaml: top level: /],
  [
    'a config with an unknown tag',
    config('tag.yaml', `${list}policy: !mac rss\n`),
    /^--config .*tag\.yaml: /,
  ],
  [
    'an unknown key of the config',
    config('key.yaml', `${list}workrs: 2\n`),
    /^--config .*key\.yaml: unknown key "workrs": did you mean workers\? known: ports, .*$/,
  ],
  [
    'a port of the config',
    config('port.yaml', 'ports: [a=memory:source, 7]\n'),
    `--config ${configPath('port.yaml')}: ports.1: expected a port NAME=KIND:TARGET[,option=value…], KIND one of af_packet, af_xdp, tap, vhost-user, pcap, memory`,
  ],
  [
    'a number of the config',
    config('n.yaml', `${list}workers: 0\n`),
    `--config ${configPath('n.yaml')}: workers: expected a whole number from 1 to 256`,
  ],
  [
    'a kind of port in the config',
    config('kind.yaml', 'ports: ["a=memory:source", "b=memory:snk"]\n'),
    /^--config .*kind\.yaml: ports\.1: .*"snk": did you mean sink/,
  ],
  [
    'a policy of the config',
    config('policy.yaml', `${list}policy: rsss\n`),
    /^--config .*policy\.yaml: policy: unknown policy "rsss": did you mean rss/,
  ],
  [
    'a MAC address of the config',
    config('mac.yaml', `${list}fdb: [{mac: xx, port: b}]\n`),
    /^--config .*mac\.yaml: fdb\.0\.mac: expected a MAC address/,
  ],
  [
    'a VLAN of the config',
    config('vlan.yaml', `${list}fdb: [{mac: "02:00:00:00:00:01", vlan: 4095, port: b}]\n`),
    /fdb\.0\.vlan/,
  ],
  [
    'a port that the config names',
    config('fdb.yaml', `${list}mode: switch\nfdb: [{mac: "02:00:00:00:00:01", port: c}]\n`),
    /there is no port "c": known: a, b/,
  ],
  [
    'a group address in the table',
    config('group.yaml', `${list}mode: switch\nfdb: [{mac: "03:00:00:00:00:01", port: b}]\n`),
    /group/,
  ],
];

describe.skipIf(!privileged()).concurrent('forward refuses live ports', () => {
  it.each([
    ['af_packet', 'CAP_NET_RAW'],
    ['tap', 'CAP_NET_ADMIN'],
  ])('%s without privilege, naming %s', async (kind, capability) => {
    await expectRefusal(
      ports(`a=${kind}:lo`, 'b=memory:sink'),
      `--port a: ${kind} needs ${capability} (run as root, or setcap ${capability.toLowerCase()}+ep)`,
      UNPRIVILEGED,
    );
  });

  it('that are missing, down, too few or of another kind', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      await lab.exec(ns, 'ip', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
      await lab.exec(ns, 'ip', 'tuntap', 'add', 'dev', 'one', 'mode', 'tap', 'vnet_hdr');
      await lab.exec(ns, 'ip', 'tuntap', 'add', 'dev', 'l3', 'mode', 'tun');
      // One process makes all calls.
      const refused = async (...cases: [port: string, line: string | RegExp][]) => {
        const calls = cases.map(([port]) => ['forward', ...ports(port, 'b=memory:sink')]);
        const told = JSON.parse(
          await lab.exec(ns, process.execPath, CALLS, JSON.stringify(calls)),
        ) as Result[];
        for (const [i, [, line]] of cases.entries()) expectLine(told[i]!, line);
      };
      await refused(
        ['a=af_packet:nope', '--port a: there is no interface "nope"'],
        ['a=af_packet:v0', '--port a: interface v0 is down (ip link set v0 up)'],
      );
      await lab.up(ns, 'v0');
      await refused(
        [
          'a=af_packet:v0,queues=9,fanout=qm',
          '--port a: queues=9: v0 has 1 receive queue(s), and fanout=qm follows them',
        ],
        ['a=tap:one,queues=2', /^--port a: .*one.*queue/],
        ['a=tap:l3', /^--port a: .*l3/],
        ['a=tap:v0', /^--port a: .*v0/],
      );
      // It left nothing behind, and the interfaces are usable still.
      expect((await lab.links(ns)).sort()).toEqual(['l3', 'lo', 'one', 'v0', 'v1']);
    });
  });
});

// Behind the live ports: a forwarder in this process may give up what those need.
describe('forward refuses', () => {
  it.each(calls)('%s', async (_, args, line) => {
    await expectRefusal(args, line);
  });

  it('as a process of its own too', async () => {
    const [, args, line] = calls[0]!;
    await expectRefusal(args, line, []);
  });
});
