/** Tables and sentences that fit. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBreaking, formatFitting, wrap } from '#rxsteer/cli/fitting.js';
import { formatTable } from '#rxsteer/cli/output.js';

const right = (title: string) => ({ title, align: 'right' as const });
const columns = [
  { title: 'policy' },
  right('workers'),
  right('fullest/fair'),
  right('hand-offs/pkt'),
  right('kernel drops'),
];
const row = (name: string) => [name, '8', '2.74', '0.87', '12,345'];
const longest = (text: string) => Math.max(...text.split('\n').map((line) => line.length));

describe('formatFitting', () => {
  it('is the plain table where that fits, then one with higher titles', () => {
    const rows = [row('rss'), row('rps:cpus=0-7')];
    expect(formatFitting(columns, rows, 80)).toBe(formatTable(columns, rows));
    expect(formatFitting(columns, rows, 50).split('\n')).toEqual([
      '                       fullest  hand-offs  kernel',
      'policy        workers    /fair       /pkt   drops',
      'rss                 8     2.74       0.87  12,345',
      'rps:cpus=0-7        8     2.74       0.87  12,345',
    ]);
  });

  it('turns rows into columns, with long names above, and cuts nothing off', () => {
    const names = Array.from({ length: 7 }, (_, i) => `rss:nic=ixgbe-82599,queues=${i},types=ipv4+tcp-ipv4`);
    const text = formatFitting(columns, names.map(row), 54);
    expect(longest(text)).toBeLessThanOrEqual(54);
    for (const name of names) expect(text).toContain(name);
    const narrow = formatFitting(columns, names.map(row), 40);
    expect(longest(narrow)).toBeLessThanOrEqual(40);
    for (const name of names) expect(narrow.replace(/\n {6}/g, '')).toContain(name);
    expect(text.match(/12,345/g)).toHaveLength(7);
    expect(text).toMatch(/^fullest\/fair +2\.74/m);
  });

  it('has every cell, in lines that are no longer than they must be', () => {
    const cell = fc.stringMatching(/^[a-z0-9]{1,9}$/);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, cell, cell, cell), { minLength: 1, maxLength: 9 }),
        fc.integer({ min: 40, max: 130 }),
        (rows, most) => {
          const four = columns.slice(0, 4);
          const text = formatFitting(four, rows, most);
          for (const one of rows.flat()) expect(text).toContain(one);
          expect(longest(text)).toBeLessThanOrEqual(most);
        },
      ),
    );
  });
});

it('formatBreaking puts the rest of a long name on a line below', () => {
  const table = [{ title: 'flow' }, right('packets')];
  const flow = `tcp [2001:db8::1]:1000 > [2001:db8::2]:80`;
  expect(formatBreaking(table, [[flow, '7']], ' > ', 80)).toContain(`${flow}        7`);
  expect(
    formatBreaking(table, [[flow, '7']], ' > ', 40)
      .split('\n')
      .slice(1),
  ).toEqual(['tcp [2001:db8::1]:1000 >        7', '  [2001:db8::2]:80']);
});

it('wrap breaks between words only', () => {
  expect(wrap('one two three', 9, '  ')).toBe('one two\n  three');
  expect(wrap('one two three', null)).toBe('one two three');
  expect(wrap('incomprehensible', 5)).toBe('incomprehensible');
});
