/** `flow-vs-mac`: mixes that are asked for, and what becomes of a run that dies. */
import { execFile } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { deathOf } from '#rxsteer/bench/flow-vs-mac.js';
import { runSuites, type SUITES } from '#rxsteer/bench/index.js';
import { mixOfCapture } from '#rxsteer/bench/verdict/capture-mix.js';
import { wishedMix } from '#rxsteer/bench/verdict/mixes.js';
import { UserError } from '#rxsteer/errors.js';
import * as build from '#rxsteer/packet/build.js';
import * as files from '../capture/files.js';
import { rxsteer } from '../cli/run.js';

const file = files.temporaryFiles();

/** How a process of this code ends, in the words of the suite. */
function death(code: string, timeout = 0): Promise<string> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['-e', code], { timeout }, (error, _stdout, stderr) => {
      resolve(error === null ? 'no error' : deathOf(error, stderr));
    });
  });
}

describe('a run without an answer', () => {
  it('says how it ended and what it said', async () => {
    expect(await death("console.error('a warning'); throw new RangeError('too many ports')")).toBe(
      'ended with exit code 1: RangeError: too many ports',
    );
    expect(await death("console.error('one'); console.error('two'); process.exit(7)")).toBe(
      'ended with exit code 7: one | two',
    );
    expect(await death("process.kill(process.pid, 'SIGKILL')")).toBe('ended by SIGKILL');
    expect(await death('setInterval(() => {}, 1000)', 300)).toBe('no answer within 60 s');
  });
});

describe('runSuites', () => {
  type Suites = typeof SUITES;
  const result = { suite: 'good', name: 'x' } as never;
  const suite = (name: string, run: () => object): Suites[number] => ({
    name,
    about: '',
    run: async () => run() as never,
  });
  const options = { quick: true, rounds: 1, progress: () => {}, signal: new AbortController().signal };

  it('keeps what was measured when a suite fails or is interrupted', async () => {
    const abort = new AbortController();
    const report = await runSuites(
      [
        suite('good', () => ({ results: [result], ratios: [], notes: ['n'] })),
        suite('bad', () => {
          throw new Error('the child died');
        }),
        suite('half', () => {
          abort.abort();
          return { results: [result], ratios: [], notes: [], failures: ['half: interrupted'] };
        }),
        suite('late', () => ({ results: [result], ratios: [], notes: [] })),
      ],
      { ...options, signal: abort.signal },
    );
    expect(report.results).toHaveLength(2);
    expect(report.failures).toEqual([
      'bad: the child died',
      'half: interrupted',
      'late: not run: interrupted',
    ]);
  });

  it('tells a wrong call at once', async () => {
    const wrong = suite('wrong', () => {
      throw new UserError('no such capture');
    });
    await expect(runSuites([wrong], options)).rejects.toThrow(UserError);
  });
});

describe('mixes', () => {
  it('are named by what they are', () => {
    expect(wishedMix({ guests: 12 })).toMatchObject({
      name: '12 guests, 16 flows each, 60 bytes, even',
      guests: 12,
      flowsPerGuest: 16,
      elephant: 'none',
    });
    expect(wishedMix({ guests: 1, size: 'imix', elephant: 'guest', share: 70 }).name).toBe(
      '1 guest, 16 flows each, imix, one guest has 70 %',
    );
  });

  it('are taken from a capture: guests, flows, sizes, and who has most', async () => {
    const frame = (guest: number, sport: number, size: number) =>
      build.ethernet(
        { dst: `02:00:00:00:00:0${guest}` },
        build.ipv4({ src: '10.0.0.1', dst: `10.0.1.${guest}` }, build.udp({ sport, dport: 9 }, size)),
      );
    const capture = (frames: readonly Uint8Array[]) =>
      file('mix.pcap', files.pcap(frames.map((data, i) => ({ data, seconds: 1, fraction: i }))));
    // Each of 4 guests has 25 flows of one packet, of 14 + 20 + 8 + 258 bytes.
    const even = Array.from({ length: 100 }, (_, i) => frame(1 + (i % 4), 1000 + i, 258));
    expect((await mixOfCapture(capture(even))).wish).toEqual({
      guests: 4,
      flowsPerGuest: 25,
      size: 300,
      elephant: 'none',
    });
    const busy = Array.from({ length: 100 }, (_, i) => frame(i < 70 ? 1 : 2 + (i % 3), 1000 + i, 258));
    expect((await mixOfCapture(capture(busy))).wish).toMatchObject({ elephant: 'guest', share: 70 });
    const heavy = Array.from({ length: 100 }, (_, i) => frame(1 + (i % 4), i % 4 === 0 ? 7 : 1000 + i, 258));
    expect((await mixOfCapture(capture(heavy))).wish).toMatchObject({ elephant: 'flow', share: 25 });
    const group = heavy.map((bytes) => Uint8Array.from(bytes).fill(0xff, 0, 6));
    await expect(mixOfCapture(capture(group))).rejects.toThrow(/no unicast destination MAC addresses/);
  });

  it.each([
    [['parse', '--guests', '3'], '--guests: goes with the suite flow-vs-mac'],
    [['flow-vs-mac', '--guests', '0'], '--guests 0: expected a whole number from 1 to 48'],
    [['flow-vs-mac', '--workers', '1'], '--workers 1: expected a whole number from 2 to 64'],
    [['flow-vs-mac', '--elephant', 'gest'], 'unknown --elephant "gest": did you mean guest'],
    [['flow-vs-mac', '--share', '70'], '--share: whose?'],
    [['flow-vs-mac', '--capture', '/nowhere.pcap'], '/nowhere.pcap: no such file'],
  ])('%j is refused in one line', async (args, message) => {
    const { code, stdout, stderr } = await rxsteer(['bench', ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});
