/**
 * What is loaded by every call and by every worker thread: not the schemas, which take a tenth of a second and 10 MB each
 * time. Follows static imports through the built files.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const built = (name: string) => fileURLToPath(import.meta.resolve(`#rxsteer/${name}`));
const PORTS = dirname(built('dataplane/ports/kinds.js'));

const SCHEMAS = built('vendor/zod.js');

/** The chain of files by which `start` loads another, or null. */
function chainTo(wanted: string, start: string): string[] | null {
  const from = new Map<string, string | null>([[start, null]]);
  for (const file of from.keys()) {
    for (const [, name] of readFileSync(file, 'utf8').matchAll(
      /^(?:import|export)\b[^;]*?from '([^']+)'/gm,
    )) {
      const target = join(dirname(file), name!);
      if (target === wanted) {
        const chain = [wanted];
        for (let at: string | null = file; at !== null; at = from.get(at)!) chain.push(at);
        return chain;
      }
      if (name!.startsWith('.') && !from.has(target)) from.set(target, file);
    }
  }
  return null;
}

it('a chain is found where there is one', () => {
  expect(chainTo(SCHEMAS, built('policy/parse.js'))).not.toBeNull();
});

it('the program loads no schemas before it knows the command', () => {
  expect(chainTo(SCHEMAS, built('cli/program.js'))).toBeNull();
  expect(chainTo(SCHEMAS, built('cli/hash.js'))).toBeNull();
});

it('a worker thread loads no schemas', () => {
  expect(chainTo(SCHEMAS, built('dataplane/worker/thread.js'))).toBeNull();
  const kinds = readdirSync(PORTS).map((name) => join(PORTS, name, 'attach.js'));
  const attachers = kinds.filter((path) => existsSync(path));
  expect(attachers.length).toBeGreaterThanOrEqual(4);
  for (const attacher of attachers) expect(chainTo(SCHEMAS, attacher)).toBeNull();
});
