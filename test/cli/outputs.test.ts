/** What is written beside what is printed. */
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { payloadBytes } from '#rxsteer/packet/build.js';
import { pcap, temporaryFiles } from '../capture/files.js';
import { rxsteer } from './run.js';

const file = temporaryFiles();

describe('files that a command writes', () => {
  const bytes = Buffer.from(pcap([{ data: payloadBytes(60) }]));

  it.each([
    ['replay', '--html'],
    ['sweep', '--html'],
    ['sweep', '--parquet'],
  ])('of %s %s never take the place of a capture that is read', async (command, flag) => {
    const path = file('in.pcap', bytes);
    const link = file(`link-${command}${flag}.pcap`);
    symlinkSync(path, link);
    for (const output of [path, link]) {
      const { code, stdout, stderr } = await rxsteer([command, path, '--policy', 'rss', flag, output]);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toBe(
        `rxsteer: ${flag} ${output}: is read by this command, and would be overwritten: name another file\n`,
      );
    }
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  it('are looked at before anything is read', async () => {
    const path = file('in.pcap', bytes);
    mkdirSync(file('folder'));
    for (const [output, problem] of [
      [join(path, '..', 'none', 'a.html'), 'there is no folder'],
      [file('folder'), 'is a directory'],
    ] as const) {
      for (const command of ['replay', 'sweep']) {
        const { code, stdout, stderr } = await rxsteer([command, path, '--policy', 'rss', '--html', output]);
        expect([code, stdout]).toEqual([2, '']);
        expect(stderr).toContain(`rxsteer: --html ${output}: ${problem}`);
      }
    }
  });

  it('are refused by name where they would not be what the name says', async () => {
    const { code, stderr } = await rxsteer(['make', file('a.pcap.zst'), '--packets', '10']);
    expect([code, stderr]).toEqual([
      2,
      `rxsteer: ${file('a.pcap.zst')}: a capture is compressed by gzip only (.gz): give a name without .zst\n`,
    ]);
  });
});
