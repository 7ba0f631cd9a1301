/** Presets are scenarios that run, what they publish is held against limits, and what was fitted is said. */
import { describe, expect, it } from 'vitest';
import { COST_SETS, costSet } from '#rxsteer/simulate/costs/sets.js';
import { FAMILIES, isPresetName, presetNamed, presets } from '#rxsteer/simulate/presets/index.js';
import { figureOf, validatePresets } from '#rxsteer/simulate/presets/validate.js';
import type { Published } from '#rxsteer/simulate/result/result.js';
import { parseScenario } from '#rxsteer/simulate/scenario/parse.js';
import { simulate } from '#rxsteer/simulate/simulate.js';

const publishedOf = (published: unknown): Published[] => {
  if (published === undefined) return [];
  const one = published as Published | Record<string, Published>;
  return typeof one.source === 'string'
    ? [one as Published]
    : Object.values(one as Record<string, Published>);
};

describe('presets', () => {
  const all = presets().map((preset) => ({ ...preset, parsed: parseScenario(preset.scenario, preset.name) }));

  it('have names of their own, a sentence, and scenarios that parse', () => {
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    expect(all.length).toBeGreaterThan(100);
    for (const { name, about, parsed } of all) {
      expect(about.length, name).toBeGreaterThan(10);
      expect(parsed.name).toBe(name);
      // What is printed of it is read again as the same.
      expect(parseScenario(JSON.parse(JSON.stringify(presetNamed(name).scenario)))).toEqual(parsed);
    }
  });

  it('name the source of what they publish', () => {
    for (const { name, parsed } of all) {
      for (const { source, value, cpu, figures } of publishedOf(parsed.published)) {
        expect(source, name).not.toBe('');
        expect(value ?? cpu ?? figures?.length, name).toBeGreaterThan(0);
      }
    }
    for (const { claims, name } of FAMILIES) {
      for (const { source, order } of claims) {
        expect(source, name).not.toBe('');
        for (const run of order) expect(isPresetName(run.split('@')[0]!), run).toBe(true);
      }
    }
  });

  it('say which rows their costs were fitted to: what a set names is marked, and what is marked is named', () => {
    const named = COST_SETS.flatMap(({ name, fittedTo }) =>
      fittedTo.map((row) => [name, row.split(' ')[0]!] as const),
    );
    for (const [set, row] of named) {
      const { parsed } = all.find(({ name }) => name === row)!;
      const { costs = 'modern' } = parsed;
      expect(typeof costs === 'string' ? costs : costs.base, row).toBe(set);
      const marks = publishedOf(parsed.published).flatMap(({ fitted, cpuFitted, figures = [] }) => [
        ...[fitted, cpuFitted],
        ...figures.map((figure) => figure.fitted),
      ]);
      expect(marks, row).toContain(true);
    }
    const rows = new Set(named.map(([, row]) => row));
    for (const { name, parsed } of all) {
      // Costs that a preset changes for itself are its own fit.
      if (typeof parsed.costs === 'object') continue;
      const isFitted = publishedOf(parsed.published).some(({ fitted, cpuFitted }) => fitted || cpuFitted);
      if (isFitted) expect(rows, name).toContain(name);
    }
  });

  it('that do not exist are told with those that are near; a family with its members', () => {
    expect(() => presetNamed('lwn-rps/sngle')).toThrow('unknown preset "lwn-rps/sngle": did you mean');
    expect(() => presetNamed('lwn-rps')).toThrow('lwn-rps is a family of presets, name one: lwn-rps/single');
    expect(() => costSet('modrn')).toThrow('did you mean modern');
  });
});

describe('validation', () => {
  it('holds every published figure and every claim of a family against the runs, and counts them', () => {
    const ran: string[] = [];
    const { rows, claims, predicted, fitted, claimed } = validatePresets({
      families: ['workers'],
      onRun: (name) => ran.push(name),
    });
    expect(ran.length).toBe(new Set(ran).size);
    expect(rows.map(({ preset }) => preset)).toEqual(
      presets()
        .filter(({ family }) => family === 'workers')
        .map(({ name }) => name),
    );
    for (const { simulated, published, deviation, within, holds } of rows) {
      expect(deviation).toBeCloseTo(simulated / published - 1, 9);
      expect(holds).toBe(Math.abs(deviation) <= within);
    }
    expect(rows.filter(({ holds }) => !holds)).toEqual([]);
    expect([predicted.all + fitted.all, predicted.hold, fitted.hold]).toEqual([rows.length, 3, 3]);
    expect(claimed).toEqual({ hold: claims.length, all: claims.length });
  });

  it('finds figures by their path, and refuses a path that leads nowhere', () => {
    const [result] = simulate(presetNamed('paths/sriov-posted').scenario, { limit: false }).results;
    expect(figureOf(result!, 'throughput.value')).toBe(result!.throughput.value);
    expect(figureOf(result!, 'cpus.2.busyShare')).toBe(result!.cpus[2]!.busyShare);
    expect(() => figureOf(result!, 'cpus.99.busyShare')).toThrow('cpus.99.busyShare: no number');
    expect(() => figureOf(result!, 'throughput')).toThrow('throughput: no number');
  });

  it('what paths and CPUs on the way are claimed to cost comes out', () => {
    const { claims } = validatePresets({ families: ['paths'] });
    expect(claims.filter(({ holds }) => !holds)).toEqual([]);
    expect(claims.length).toBeGreaterThan(5);
  });
});
