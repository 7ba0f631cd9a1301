/** Sweeps over scenarios: the grid, its keys, ranking over seeds, and the same lines in any number of threads. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ScenarioInput } from '#rxsteer/simulate/scenario/schema.js';
import { simulate } from '#rxsteer/simulate/simulate.js';
import { planScenarios, type ScenarioGrid, withValue } from '#rxsteer/sweep/scenario-grid.js';
import {
  axesOf,
  type ScenarioLine,
  scenarioLineSchema,
  scenarioSections,
} from '#rxsteer/sweep/scenario-line.js';
import { sweepScenarios } from '#rxsteer/sweep/scenario-sweep.js';
import { withFolder } from '../traffic/support.js';
import { makeCapture } from './support.js';

const server: ScenarioInput = {
  ...{ name: 'server', durationMs: 0.5, warmupMs: 0.2 },
  host: { cpus: { cores: 2 }, apps: [{ kind: 'echo', threads: 4 }] },
  nics: { eth0: { irqs: [0] } },
  load: [{ kind: 'closed', clients: 8 }],
};
const grid = (over: Partial<ScenarioGrid> = {}): ScenarioGrid => ({
  scenarios: [{ name: 'server', scenario: server }],
  ...{ policies: [], vary: {}, costs: [], seeds: [], durationMs: null, limit: false, ...over },
});
const keys = (over: Partial<ScenarioGrid> = {}) => planScenarios(grid(over)).map(({ key }) => key);

describe('the grid', () => {
  it('is every combination, each once', () => {
    const cells = planScenarios(
      grid({
        policies: ['rss:queues=2', 'rps:cpus=0-1'],
        vary: { 'nics.eth0.rps.cpus': ['0', '0-1'], 'host.cpus.cores': [2, 4] },
        costs: [
          { name: 'modern', costs: 'modern' },
          { name: 'mine', costs: { base: 'modern', hardIrq: 900 } },
        ],
        seeds: [1, 2, 3],
      }),
    );
    expect(cells).toHaveLength(2 * 2 * 2 * 2 * 3);
    expect(new Set(cells.map(({ key }) => key)).size).toBe(cells.length);
    expect(cells[0]).toMatchObject({
      ...{ scenario: 'server', text: 'rss:queues=2', costs: 'modern', seed: 1 },
      options: { 'nics.eth0.rps.cpus': '0', 'host.cpus.cores': '2' },
    });
  });

  it('names by its key all that a result depends on, and nothing else', () => {
    const [key] = keys();
    expect(keys()).toEqual([key]);
    expect(keys({ seeds: [1] })).toEqual([key]);
    expect(keys({ costs: [{ name: 'another name', costs: 'modern' }] })).toEqual([key]);
    expect(keys({ scenarios: [{ name: 'x', scenario: { ...server, name: 'y', about: 'z' } }] })).toEqual([
      key,
    ]);
    expect(keys({ vary: { durationMs: [0.5] } })).toEqual([key]);
    for (const other of [
      { seeds: [2] },
      { durationMs: 1 },
      { limit: true },
      { policies: ['rss:queues=1'] },
      { costs: [{ name: 'modern', costs: { hardIrq: 1 } }] },
      { vary: { 'load.0.clients': [9] } },
    ]) {
      expect(keys(other)).not.toEqual([key]);
    }
  });

  it('knows a capture by its content, and so does the digest of a run', async () => {
    await withFolder(async (path) => {
      await makeCapture(path('a.pcap'), { packets: 50, flows: 5 });
      copyFileSync(path('a.pcap'), path('copy.pcap'));
      await makeCapture(path('other.pcap'), { packets: 50, flows: 6 });
      const of = async (name: string) => {
        const scenario: ScenarioInput = { ...server, load: [{ kind: 'capture', file: path(name) }] };
        const { lines } = await sweepScenarios({ scenarios: [scenario] });
        return lines[0]!;
      };
      const [a, copy, other] = [await of('a.pcap'), await of('copy.pcap'), await of('other.pcap')];
      expect(copy).toEqual(a);
      expect(other.key).not.toBe(a.key);
      expect(other.digest).not.toBe(a.digest);
    });
  });

  it('knows policies by the content of their files, wherever the scenario names them', async () => {
    await withFolder(async (path) => {
      const module = (worker: number) =>
        `export default () => ({ steer(b) { b.worker.fill(${worker}, 0, b.n); } });`;
      for (const [folder, worker, table] of [
        ['a', 0, '0 1'],
        ['b', 0, '0 1'],
        ['c', 1, '1 0'],
      ] as const) {
        mkdirSync(path(folder));
        writeFileSync(path(`${folder}/own.mjs`), module(worker));
        const rows = `RX flow hash indirection table for eth0 with 2 RX ring(s):\n    0:      ${table}\n`;
        writeFileSync(
          path(`${folder}/nic.txt`),
          `${rows}RSS hash key:\n${'6d:5a:'.repeat(20).slice(0, -1)}\n`,
        );
        writeFileSync(path(`${folder}/file.yaml`), `policy: rss\nqueues: 2\nseed: ${worker}\n`);
      }
      const inside = (folder: string) => ({
        own: `js:${path(folder)}/own.mjs`,
        nic: { policy: 'rss', ethtool: `${path(folder)}/nic.txt` },
        file: `@${path(folder)}/file.yaml`,
      });
      type Inside = ReturnType<typeof inside>;
      const disk = { queues: 2, tenants: { t: {} } };
      const ways: ((named: Inside) => Partial<ScenarioGrid>)[] = [
        ({ own }) => ({ policies: [own] }),
        ({ nic }) => ({ policies: [nic] }),
        ({ file }) => ({ policies: [file] }),
        ({ nic }) => ({ vary: { 'nics.eth0.policy': [`rss:ethtool=${nic.ethtool}`] } }),
        ({ own }) => ({
          vary: { changes: [[{ atMs: 0.1, nic: 'eth0', policy: own }]] },
          policies: ['single'],
        }),
        ({ own }) => ({ vary: { disks: [{ d: { ...disk, steer: own } }] } }),
        ({ own }) => ({ vary: { guests: [{ vm0: { policy: own } }] } }),
      ];
      for (const [i, way] of ways.entries()) {
        const [a, b, c] = ['a', 'b', 'c'].map((folder) => keys(way(inside(folder))));
        expect(b, `${i}`).toEqual(a);
        expect(c, `${i}`).not.toEqual(a);
      }
      const digest = (folder: string) => {
        const { own, nic, file } = inside(folder);
        const eth0 = { irqs: [0], policy: nic };
        const scenario: ScenarioInput = { ...server, nics: { eth0 }, policies: [own, file] };
        return simulate(scenario, { limit: false }).digest;
      };
      expect(digest('b')).toBe(digest('a'));
      expect(digest('c')).not.toBe(digest('a'));
    });
  });

  it('puts values where their path says, and leaves the scenario alone', () => {
    const changed = withValue(server, 'load.0.clients', 9);
    expect(changed.load![0]!.clients).toBe(9);
    expect(server.load![0]!.clients).toBe(8);
    expect(withValue(server, 'nics.eth1.queues', 4).nics).toEqual({
      eth0: { irqs: [0] },
      eth1: { queues: 4 },
    });
    expect(() => withValue(server, 'durationMs.x', 1)).toThrow('vary: durationMs.x: durationMs is no object');
  });

  it('says what is wrong before anything runs', () => {
    expect(() => keys({ vary: { 'nics.eth0.quues': [1] } })).toThrow(
      /nics\.eth0: unknown key "quues".*queues/,
    );
    expect(() => keys({ vary: { seed: [1] } })).toThrow('vary: seed has an axis of its own');
    expect(() => keys({ policies: ['rsss'] })).toThrow(/rss/);
    expect(() => keys({ costs: [{ name: 'modrn', costs: 'modrn' }] })).toThrow('modern');
    expect(() => keys({ scenarios: [] })).toThrow('no scenario');
  });
});

describe('results', () => {
  const input = { scenarios: [server], vary: { 'nics.eth0.rps.cpus': ['0', '1'] }, seeds: [1, 2] };

  it('are those of simulate, whole lines, and the same in threads', async () => {
    const seen: ScenarioLine[] = [];
    const one = await sweepScenarios(input, { onLine: (line) => seen.push(line) });
    expect(seen).toEqual(one.lines);
    const [first] = one.lines;
    const varied = withValue(server, 'nics.eth0.rps.cpus', '0');
    const [alone] = simulate(varied, { seed: 1, limit: false, costs: 'modern' }).results;
    expect(first).toMatchObject({ throughput: alone!.throughput.value, digest: alone!.digest, limit: null });
    for (const line of one.lines) expect(scenarioLineSchema.parse(line)).toEqual(line);
    const two = await sweepScenarios(input, { threads: 2 });
    expect(two.lines).toEqual(one.lines);
    expect(one.sections[0]!.rows.map(({ lines }) => lines.length)).toEqual([2, 2]);
  });

  it('end with what was finished when they are stopped', async () => {
    const stop = new AbortController();
    const { lines } = await sweepScenarios(input, { signal: stop.signal, onLine: () => stop.abort() });
    expect(lines).toHaveLength(1);
  });

  it('rank by throughput, and by CPU where that is as good as equal', () => {
    const line = (policy: string, throughput: number, usPerOperation: number, seed = 1) =>
      ({
        scenario: 's',
        costs: 'c',
        options: {},
        policy,
        throughput,
        usPerOperation,
        seed,
      }) as unknown as ScenarioLine;
    const lines = [
      line('slow', 50, 1),
      line('dear', 100, 9),
      line('cheap', 99.5, 5),
      line('lucky', 120, 1, 1),
      line('lucky', 60, 1, 2),
    ];
    const [section] = scenarioSections(lines);
    expect(section!.rows.map(({ lines: [first] }) => first!.policy)).toEqual([
      'cheap',
      'dear',
      'lucky',
      'slow',
    ]);
    expect(section!.rows[2]!.range).toEqual([60, 120]);
    expect(axesOf(lines).map(({ title }) => title)).toEqual(['policy']);
  });
});
