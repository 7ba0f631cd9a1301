/** The scenario's JSON Schema says of every key what it is; the example files fit it. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { jsonSchemaOf } from '#rxsteer/policy/json-schema.js';
import { readScenario } from '#rxsteer/simulate/scenario/parse.js';
import { scenarioSchema } from '#rxsteer/simulate/scenario/schema.js';

/** Paths of all properties, and of those without a description; conditions (`allOf`) add none. */
function properties(node: unknown, path: string, found: string[], bare: string[]): void {
  if (node === null || typeof node !== 'object') return;
  for (const [key, value] of Object.entries(node)) {
    if (key === 'allOf') continue;
    if (key !== 'properties') {
      properties(value, path, found, bare);
      continue;
    }
    for (const [name, inner] of Object.entries(value as Record<string, { description?: string }>)) {
      const at = `${path}.${name}`;
      found.push(at);
      if ((inner.description ?? '') === '') bare.push(at);
      properties(inner, at, found, bare);
    }
  }
}

it('every key has a description', () => {
  const found: string[] = [];
  const bare: string[] = [];
  properties(jsonSchemaOf(scenarioSchema), '', found, bare);
  expect(bare).toEqual([]);
  expect(found).toEqual(expect.arrayContaining(['.nics.irqs', '.guests.apps.kind', '.costs.line.remote']));
});

it('the examples are scenarios', () => {
  const folder = fileURLToPath(new URL('../../examples/scenarios/', import.meta.url));
  const files = readdirSync(folder);
  expect(files.length).toBeGreaterThan(10);
  for (const file of files) {
    const { name, about } = readScenario(`${folder}${file}`);
    expect(`${name}.yaml`).toBe(file);
    expect(about, file).toBeDefined();
  }
});
