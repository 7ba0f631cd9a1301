import { describe, expect, it } from 'vitest';
import { printable, UserError, unknownName } from '#rxsteer/errors.js';

describe('printable', () => {
  it('shows what would end the line or drive a terminal', () => {
    expect(printable('a\nb\r\t\u001b[31mred\u0007\u009b\u2028é …')).toBe(
      'a\\nb\\r\\t\\x1b[31mred\\x07\\x9b\\u2028é …',
    );
  });

  it('leaves out the middle of what is long', () => {
    const text = printable(`start${'x'.repeat(1e6)}end`, 40);
    expect(text).toMatch(/^startx+ … x+end$/);
    expect(text.length).toBeLessThanOrEqual(41);
    expect(printable('x'.repeat(40), 40)).toHaveLength(40);
  });
});

describe('a message for the user', () => {
  it('is one short line, whatever it quotes', () => {
    expect(new UserError('port "a\nb"').message).toBe('port "a\\nb"');
    expect(unknownName('policy', 'r\u001bss', ['rss']).message).toBe(
      'unknown policy "r\\x1bss": did you mean rss? known: rss',
    );
    expect(new UserError('x'.repeat(1e6)).message.length).toBeLessThan(2000);
  });
});
