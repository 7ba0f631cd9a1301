/** `rxsteer simulate`: scenarios and presets, what is printed, what is refused. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { presets } from '#rxsteer/simulate/presets/index.js';
import { parseScenarioText } from '#rxsteer/simulate/scenario/parse.js';
import { rxsteer } from './run.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-simulate-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const json = async (...args: string[]) => {
  const { stdout, stderr, code } = await rxsteer(['simulate', ...args, '--json']);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
};

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

const SMALL = `
name: small
durationMs: 3
warmupMs: 1
host: { cpus: { cores: 4 } }
nics: { eth0: { queues: 2, irqs: 0-1 } }
load: [{ kind: open, rate: 200000 }]
`;

describe('a run', () => {
  it('prints the document that other programs rely on, with what was published', async () => {
    const result = await json('lwn-rps/single', '--duration', '4');
    expect(Object.keys(result)).toEqual(
      expect.arrayContaining(['scenario', 'seed', 'virtualMs', 'events', 'digest', 'results']),
    );
    expect(result).toMatchObject({ scenario: 'lwn-rps/single', seed: 1, virtualMs: 4 });
    expect(result.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    const [one] = result.results;
    expect(one).toMatchObject({
      policy: 'rss:queues=1',
      throughput: { unit: 'transactions/s', ci95: [expect.any(Number), expect.any(Number)] },
      limit: { kind: 'cpu', name: 'cpu0 softirq', why: expect.stringContaining('twice as fast') },
      published: { value: 139_000, cpu: 0.17, source: expect.stringContaining('LWN') },
    });
    expect(Object.keys(one.cpu.classes)).toEqual(
      expect.arrayContaining([
        ...['irq', 'softirq', 'vhost', 'iothread', 'vcpu', 'app', 'lockWait', 'idleExit'],
      ]),
    );
    expect(Object.keys(one.latencyUs)).toEqual(['mean', 'p50', 'p90', 'p99', 'p999']);
    for (const key of ['ipis', 'wakeups', 'exits', 'remoteLines', 'lockWaitNs', 'copiedBytes'])
      expect(one.perPacket[key], key).toEqual(expect.any(Number));
    expect(one.cpus[0]).toMatchObject({ id: 0, busyShare: expect.any(Number) });
  });

  it('takes several policies, costs, a seed and a duration; its figures are those of the file', async () => {
    const path = file('small.yaml', SMALL);
    const args = ['--policy', 'rss:queues=2', '--policy', 'single', '--no-limit'];
    const first = await json(path, ...args);
    expect(first.results.map(({ policy }: { policy: string }) => policy)).toEqual(['rss:queues=2', 'single']);
    expect((await json(path, ...args)).digest).toBe(first.digest);
    expect((await json(path, ...args, '--seed', '2')).digest).not.toBe(first.digest);
    const costs = file('costs.yaml', 'base: modern\nprotocol: 5000\n');
    const dearer = await json(path, ...args, '--costs', costs);
    expect(dearer.results[0].cpu.busyShare).toBeGreaterThan(1.5 * first.results[0].cpu.busyShare);
    expect((await json(path, ...args, '--costs', 'amd-2009')).digest).not.toBe(first.digest);
    expect((await json(path, ...args, '--duration', '2')).virtualMs).toBe(2);
  });

  it('for people says how much, what the CPUs do, what limits and what would move it', async () => {
    const { stdout } = await rxsteer(['simulate', 'workers/device-4-jobs']);
    expect(stdout).toContain('workers/device-4-jobs: 32 CPUs, 15 ms of virtual time, seed 1');
    expect(stdout).toMatch(/^CPU time +vhost +vCPUs/m);
    expect(stdout).toMatch(/- the limit is cpu16 vhost, 100.0 % used; cpu16 vhost twice as fast: \d+ % more/);
    expect(stdout).toMatch(/- published: 488 k \(here .*\); virtualization list/);
  });

  it('does not hold other policies against what was published', async () => {
    const { results } = await json('lwn-rps/single', '--duration', '1', '--no-limit', '--policy', 'single');
    expect(results[0].published).toBeUndefined();
  });
});

describe('what there is', () => {
  it('--list names presets and sets of costs, --show prints one to start from', async () => {
    const listed = await rxsteer(['simulate', '--list']);
    expect(listed.stderr).toBe('');
    const list = listed.stdout;
    for (const { name } of presets()) expect(list).toContain(`  ${name} `);
    const all = await json('--list');
    expect(all.presets.length).toBe(presets().length);
    expect(all.costs.map(({ name }: { name: string }) => name)).toContain('xeon-2010');
    const yaml = (await rxsteer(['simulate', '--show', 'lwn-rps/rps'])).stdout;
    expect(parseScenarioText(yaml, 'shown').name).toBe('lwn-rps/rps');
    const costs = file('modern.yaml', (await rxsteer(['simulate', '--show', 'modern'])).stdout);
    const path = file('small.yaml', SMALL);
    const [own, shown] = [await json(path, '--no-limit'), await json(path, '--no-limit', '--costs', costs)];
    expect(shown.digest).toBe(own.digest);
  });

  it('--schema is a JSON Schema with all keys', async () => {
    const schema = await json('--schema');
    expect(schema.$schema).toContain('json-schema.org');
    expect(Object.keys(schema.properties)).toEqual(
      expect.arrayContaining(['host', 'nics', 'guests', 'load', 'policies', 'costs', 'published']),
    );
  });

  it('--validate prints simulated beside published, of one family', async () => {
    const { stdout } = await rxsteer(['simulate', '--validate', 'transmit-lock']);
    expect(stdout).toMatch(/^transmit-lock\/eight +throughput +50.0 k .* fit +holds$/m);
    expect(stdout).toMatch(/^2 of 2|0 of 0 predicted .*; \d of \d claims come out\.$/m);
  });
});

describe('a mistake is one line', () => {
  it.each([
    [[], 'a scenario is needed: a YAML or JSON file, or a name of --list'],
    [['lwn-rps/sngle'], 'unknown preset "lwn-rps/sngle": did you mean lwn-rps/single'],
    [['lwn-rps'], 'lwn-rps is a family of presets, name one: lwn-rps/single, lwn-rps/rps'],
    [['nowhere.yaml'], 'nowhere.yaml: ENOENT'],
    [['lwn-rps/rps', '--costs', 'modrn'], 'unknown set of costs "modrn": did you mean modern'],
    [['lwn-rps/rps', '--duration', 'x'], '--duration x: expected milliseconds from 0.001 to 1000000'],
    [['lwn-rps/rps', '--seed', '-1'], '--seed: "-1" is not a whole number from 0 to 4294967295'],
    [['lwn-rps/rps', '--policy', 'rsss'], 'unknown policy "rsss": did you mean rss'],
    [['x', '--list'], '--list takes no scenario: leave out x'],
    [['--list', '--schema'], '--list and --schema: one of them at a time'],
    [['--show', 'mdern'], 'unknown preset or set of costs "mdern": did you mean modern'],
    [['--validate', 'lwn'], '--validate: unknown family of presets "lwn"'],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await rxsteer(['simulate', ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(`rxsteer: ${message}`);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('in a file it has the file, the path in it, and what would be right', async () => {
    const path = file('wrong.yaml', 'guests: { vm: { vcpu: 4 } }\n');
    expect((await rxsteer(['simulate', path])).stderr).toContain(
      `${path}: guests.vm: unknown key "vcpu": did you mean vcpus or cpus? known: count, `,
    );
    const number = file('number.yaml', 'load: [{ rate: many }]\n');
    expect((await rxsteer(['simulate', number])).stderr).toContain(
      `${number}: load[0].rate="many": expected`,
    );
    const beyond = file('beyond.yaml', 'host: { cpus: { cores: 2 } }\nnics: { eth0: { irqs: 7 } }\n');
    expect((await rxsteer(['simulate', beyond])).stderr).toContain(
      'irqs: CPU 7 does not exist; CPUs: 0 to 1',
    );
  });
});
