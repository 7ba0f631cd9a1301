/** The metrics page: everything that is counted is there, under the names that the documents have. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Summary } from '#rxsteer/dataplane/engine/summary.js';
import { Exposition } from '#rxsteer/observe/exposition.js';
import { metricsText } from '#rxsteer/observe/metrics.js';
import { scrape } from '#rxsteer/observe/scrape.js';
import { anyText } from '../support/any-text.js';
import { FACTS, familiesOf, filled, finished, hasPromtool, samplesOf } from './kit.js';

const root = new URL('../../', import.meta.url);
const promtool = hasPromtool();
if (!promtool) console.warn('metrics and rules not checked by promtool: prometheus is missing');

let summary: Summary;
let text: string;
let live: string;

beforeAll(async () => {
  const { recorder } = await finished();
  summary = recorder.summary();
  text = metricsText(filled(summary), FACTS);
  live = scrape(recorder, '1.2.3');
});

/** All numbers of a document with the place where each is. */
function numbers(value: unknown, place = ''): [string, number][] {
  if (typeof value === 'number') return [[place, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => numbers(inner, `${place}.${key}`));
}

describe('the metrics', () => {
  it('hold every counter of the summary', () => {
    // Each number is made another one, and the page must change for it.
    const page = (changed: Summary) => metricsText(changed, FACTS);
    const full = filled(summary);
    const before = page(full);
    // Numbers of things (labels), ratios that Prometheus makes itself, and sums that are the sum of its samples.
    const left =
      /^\.(durationMs|workers\.\d+\.busyRatio|orderByClass\.\d+\.(ratio|extent\.mean)|guestSharing\.most\..*|totals\.(handoffsPerPacket|wakeupsPerPacket|reordered|contendedTransmits)|ports\.\d+\.rx\.(packets|bytes))$/;
    const missing = numbers(full)
      .map(([place]) => place)
      .filter((place) => !left.test(place))
      .filter((place) => {
        const changed = structuredClone(full);
        const keys = place.slice(1).split('.');
        const inner = keys
          .slice(0, -1)
          .reduce((at, key) => (at as Record<string, unknown>)[key], changed as unknown);
        (inner as Record<string, number>)[keys.at(-1)!]! += 4242;
        return page(changed) === before;
      })
      // Nobody polls the queues of a removed port, and no consumer is behind it.
      .filter((place) => !/^\.ports\.3\.(queues\.\d+\.worker|consumer)/.test(place));
    expect(missing).toEqual([]);
  });

  it('add up as the summary does', () => {
    const samples = samplesOf(live);
    const sum = (start: string) =>
      [...samples].reduce((all, [name, n]) => (name.startsWith(start) ? all + n : all), 0);
    expect(samples.get('rxsteer_received_packets_total')).toBe(3000);
    expect(sum('rxsteer_port_receive_packets_total{')).toBe(3000);
    expect(sum('rxsteer_worker_processed_packets_total{')).toBe(3000);
    expect(sum('rxsteer_delivered_packets_total') + sum('rxsteer_dropped_packets_total{')).toBe(3000);
    expect(sum('rxsteer_handoff_packets_total{')).toBe(sum('rxsteer_worker_handed_off_packets_total{'));
    expect(samples.get('rxsteer_leaked_frames')).toBe(0);
  });

  it('never count backwards, nor forwards at once, for ports that are removed and come again', () => {
    const [a] = summary.ports;
    const port = (name: string, packets: number, more: object = {}) => ({
      ...{ ...a!, name, rx: { ...a!.rx, packets, kernelDrops: packets } },
      ...{ queues: [{ id: 0, worker: 0, packets, bytes: packets }], txByWorker: [packets, packets] },
      ...more,
    });
    const removed = { removed: true as const };
    const states = [
      [port('x', 1), port('c', 100)],
      [port('x', 2), port('c', 150, removed)],
      [port('x', 3), port('c', 30), port('c', 150, removed)],
      [
        port('x', 4),
        port('c', 70),
        port('c', 150, removed),
        port('9 removed earlier', 5000, { ...removed, kind: 'removed' }),
      ],
    ];
    const pages = states.map((ports) => samplesOf(metricsText({ ...summary, ports }, FACTS)));
    const of = (name: string) => pages.map((page) => page.get(name));
    expect(of('rxsteer_port_receive_packets_total{port="c",queue="0"}')).toEqual([100, 150, 180, 220]);
    expect(of('rxsteer_port_kernel_drops_total{port="c"}')).toEqual([100, 150, 180, 220]);
    expect(of('rxsteer_port_worker_transmit_packets_total{port="c",worker="1"}')).toEqual([
      100, 150, 180, 220,
    ]);
    expect(of('rxsteer_port_up{port="c",kind="memory"}')).toEqual([1, undefined, 1, 1]);
    // What is said of all ports together has no series that was not there before.
    const names = (page: Map<string, number>) =>
      [...page.keys()].filter((name) => /^rxsteer_port_\w+_total/.test(name));
    for (const page of pages) expect(names(page)).toEqual(names(pages[0]!));
  });

  it('are those that the document lists', () => {
    const document = readFileSync(new URL('docs/observe.md', root), 'utf8');
    const listed = [...document.matchAll(/^\| `([a-z_]+)` \| (counter|gauge)/gm)].map(([, name]) => name);
    expect(listed).toEqual(familiesOf(text));
  });

  it('are what dashboard and rules ask for', () => {
    const known = new Set(familiesOf(text));
    for (const file of ['dashboards/grafana.json', 'dashboards/rules.yml']) {
      const asked = new Set(
        readFileSync(new URL(file, root), 'utf8').match(/\b(rxsteer|process)_[a-z_]+[a-z]/g),
      );
      expect(asked.size, file).toBeGreaterThan(7);
      expect(
        [...asked].filter((name) => !known.has(name)),
        file,
      ).toEqual([]);
    }
  });

  it('keep a label one label, whatever is in it', () => {
    fc.assert(
      fc.property(anyText(), (value) => {
        const page = new Exposition();
        page.gauge('a', 'Help.', [[{ l: value }, 1]]);
        const lines = String(page).split('\n');
        expect(lines).toHaveLength(4);
        const inner = /^a\{l="((?:[^"\\\n]|\\["\\n])*)"\} 1$/.exec(lines[2]!)?.[1];
        const back = inner?.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
        expect(back).toBe(value);
      }),
    );
  });

  it.skipIf(!promtool)('pass promtool', () => {
    for (const input of [text, live]) {
      expect(execFileSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' })).toBe('');
    }
    const rules = new URL('dashboards/rules.test.yml', root).pathname;
    expect(execFileSync('promtool', ['test', 'rules', rules], { encoding: 'utf8' })).toContain('SUCCESS');
  });
});
