/** Which of two equal modules a thread begins with: the bundled one as long as it is of what was compiled last. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'rxsteer-threads-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Module = typeof import('#rxsteer/thread-modules.js');
const path = (name: string) => join(folder, name);
const changedAt = (name: string, seconds: number) => {
  writeFileSync(path(name), '');
  utimesSync(path(name), seconds, seconds);
};

describe('a thread', async () => {
  mkdirSync(path('run'));
  writeFileSync(path('package.json'), '{"type":"module"}');
  // Without the word of its source map, which Vitest would look for.
  const code = readFileSync(join(DIST, 'thread-modules.js'), 'utf8').replace(
    /^\/\/# sourceMappingURL.*$/m,
    '',
  );
  for (const name of ['thread-modules.js', 'run/shared-1a2b.js']) writeFileSync(path(name), code);
  const outside = (await import(pathToFileURL(path('thread-modules.js')).href)) as Module;
  const inside = (await import(pathToFileURL(path('run/shared-1a2b.js')).href)) as Module;
  const module = pathToFileURL(path('ports/x/attach.js'));
  const bundled = path('run/ports-x-attach.js');

  it('begins with the module itself where nothing is bundled, or something was compiled since', () => {
    expect(outside.threadModule(module)).toBe(path('ports/x/attach.js'));
    changedAt('run/made', 1000);
    changedAt('.tsbuildinfo', 1001);
    expect(outside.threadModule(module)).toBe(path('ports/x/attach.js'));
  });

  it('begins with the bundled one where that is fresh, and where there is no word of compiling', () => {
    changedAt('.tsbuildinfo', 999);
    expect(outside.threadModule(module)).toBe(bundled);
    rmSync(path('.tsbuildinfo'));
    expect(outside.threadModule(module)).toBe(bundled);
  });

  it('begins with the module itself where it will load one that is not in the bundle', () => {
    writeFileSync(bundled, '');
    const foreign = pathToFileURL(path('elsewhere/attach.js')).href;
    expect(outside.threadModule(module, [module.href])).toBe(bundled);
    expect(outside.threadModule(module, [module.href, foreign])).toBe(path('ports/x/attach.js'));
    expect(outside.threadModule(module, ['file:///attach.js'])).toBe(path('ports/x/attach.js'));
  });

  it('loads from where it has begun, whatever has been compiled meanwhile', () => {
    changedAt('.tsbuildinfo', 2000);
    expect(outside.ownModule(module.href)).toBe(module.href);
    expect(inside.ownModule(module.href)).toBe(pathToFileURL(bundled).href);
  });

  it.skipIf(!existsSync(join(DIST, 'run/made')))('finds every kind of port in the bundle', () => {
    const kinds = readdirSync(join(DIST, 'dataplane/ports')).filter((kind) =>
      existsSync(join(DIST, 'dataplane/ports', kind, 'attach.js')),
    );
    const names = readdirSync(join(DIST, 'run'));
    expect(kinds.filter((kind) => !names.includes(`dataplane-ports-${kind}-attach.js`))).toEqual([]);
    expect(names).toContain('dataplane-worker-thread.js');
  });
});
