/** The page has every finding under its id, and nothing else there. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CHECKS } from '#rxsteer/host/checks/index.js';

const page = readFileSync(new URL('../../docs/doctor.md', import.meta.url), 'utf8');

describe('docs/doctor.md', () => {
  it('has the 63 findings in the order of the list', () => {
    expect(CHECKS).toHaveLength(63);
    expect(new Set(CHECKS.map(({ id }) => id)).size).toBe(63);
    expect([...page.matchAll(/^### (\S+)$/gm)].map(([, id]) => id)).toEqual(CHECKS.map(({ id }) => id));
  });

  it.each(CHECKS.map((check) => [check.id, check] as const))(
    'tells title and severity of %s',
    (id, check) => {
      const section = page.split(`\n### ${id}\n`)[1]!.split('\n### ')[0]!;
      const title = check.title[0]!.toUpperCase() + check.title.slice(1);
      expect(section).toContain(`${title}. (${check.severity}`);
      expect(section.includes('costs only under load')).toBe(check.rests === 'traffic');
      expect(section.includes('rests on what moves')).toBe(check.rests === 'rate');
      for (const role of check.roles ?? []) expect(section).toContain(role);
      expect(section.trim().split('\n').length).toBeGreaterThan(2);
    },
  );
});
