/**
 * `rxsteer simulate --list`, `--show`, `--schema`: what there is to begin with.
 *
 * Promise: what `--show` prints of a preset is a scenario file, and of a set of costs a file for `--costs`; the schema is
 * the one that parses.
 */
import { unknownName } from '../errors.js';
import { jsonSchemaOf, policyJsonSchema } from '../policy/json-schema.js';
import { COST_SETS, type CostSet } from '../simulate/costs/sets.js';
import { FAMILIES, isPresetName, presetNamed, presets } from '../simulate/presets/index.js';
import { scenarioSchema } from '../simulate/scenario/schema.js';
import { lineColumns, wrap } from './fitting.js';
import { colour, print, printJson } from './output.js';
import type { SimulateFlags } from './simulate-flags.js';

/** `--list` */
export function list({ json }: SimulateFlags): void {
  if (json === true) {
    printJson({
      presets: presets().map(({ name, family, about, scenario }) => ({
        ...{ name, family, about },
        published: scenario.published ?? null,
      })),
      costs: COST_SETS.map(({ name, about, origins, fittedTo }) => ({ name, about, origins, fittedTo })),
    });
    return;
  }
  const blocks = FAMILIES.map((family) => {
    const rows = presets()
      .filter((preset) => preset.family === family.name)
      .map(({ name, about }) => [name, about] as const);
    return `${colour.bold(family.name)}: ${family.about}\n${plainRows(rows)}`;
  });
  const sets = COST_SETS.map(({ name, about }) => [name, about] as const);
  print(`${blocks.join('\n\n')}\n\n${colour.bold('costs')}\n${plainRows(sets)}`);
}

/** Names, and what they are behind them. */
function plainRows(rows: readonly (readonly [string, string])[]): string {
  const columns = lineColumns();
  const widest = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, about]) => `${name.padEnd(widest)}  ${about}`);
  const narrower = columns === null ? null : columns - 2;
  return lines.map((line) => `  ${wrap(line, narrower, '    ')}`).join('\n');
}

/** `--show NAME` */
export async function show({ show: name = '', json }: SimulateFlags): Promise<void> {
  const set = COST_SETS.find((one) => one.name === name);
  if (set !== undefined) {
    if (json === true) printJson(set.costs);
    else print(`${originsText(set)}${await yaml(set.costs)}`.trimEnd());
    return;
  }
  if (!isPresetName(name)) {
    throw unknownName('preset or set of costs', name, [
      ...presets().map((preset) => preset.name),
      ...COST_SETS.map((one) => one.name),
    ]);
  }
  const { scenario } = presetNamed(name);
  if (json === true) printJson(scenario);
  else print((await yaml(scenario)).trimEnd());
}

async function yaml(value: unknown): Promise<string> {
  return (await import('yaml')).stringify(value, { lineWidth: 100, aliasDuplicateObjects: false });
}

/** Where a set's figures come from, as comments of its file. */
function originsText({ about, origins, fittedTo }: CostSet): string {
  const lines = origins.map(
    ({ names, confidence, source }) => `${names.join(', ')}: ${confidence}; ${source}`,
  );
  return [about, ...lines, `fitted to ${fittedTo.join(', ')}`].map((line) => `# ${line}\n`).join('');
}

/** `--schema` */
export function schema(): void {
  const { $schema, ...whole } = jsonSchemaOf(scenarioSchema);
  printJson({ $schema, title: 'rxsteer simulate SCENARIO', $defs: { policy: policyJsonSchema() }, ...whole });
}
