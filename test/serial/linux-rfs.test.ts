// The running kernel as oracle for RFS. rps_sock_flow_entries and the table behind it belong to the whole machine:
// the value is restored, and a run that foreign connections may have disturbed is repeated.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rscale } from '#rxsteer/linux/arith.js';
import { formatMask } from '#rxsteer/linux/cpumask.js';
import { RfsSocket } from '#rxsteer/linux/rfs-socket.js';
import { onlineCpus, RpsQueue } from '#rxsteer/linux/rps.js';
import { DevFlowTable, RpsMap, SockFlowTable } from '#rxsteer/linux/rps-tables.js';
import { writeFlowLimitTableLen, writeRpsSockFlowEntries } from '#rxsteer/linux/sysctl.js';
import { linuxBehaviour } from '#rxsteer/linux/version.js';
import { eth, ip4, udp } from '../linux/frames.js';
import { byFrame, cannotObserve, cpus, observe, type Step, toHex } from './kernel.js';

const CORE = '/proc/sys/net/core';
const ENTRIES = `${CORE}/rps_sock_flow_entries`;
const LIMIT = `${CORE}/flow_limit_table_len`;
const reason =
  cannotObserve() ||
  (existsSync(ENTRIES) ? '' : 'rps_sock_flow_entries is visible in the first network namespace only');
if (reason !== '') console.warn(`kernel tests of RFS skipped: ${reason}`);

/** Writes to a sysctl; null, or the errno's name. */
function sysctl(path: string, text: string): string | null {
  try {
    writeFileSync(path, text);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  }
}
const value = (path: string) => readFileSync(path, 'utf8').trim();

describe.skipIf(reason !== '')('RFS of the running kernel', () => {
  const { online, possible } = cpus();
  const before: [string, string][] = [];
  beforeAll(() => {
    for (const path of [ENTRIES, LIMIT]) before.push([path, value(path)]);
  });
  afterAll(() => {
    for (const [path, text] of before) sysctl(path, text);
  });

  const FLOWS = 40;
  const RX0 = '/sys/class/net/v1/queues/rx-0';

  /** One run: packets and receives on random CPUs; the differences between kernel and model. */
  async function run(entries: number, flowCount: number, map: number[], seed: number) {
    expect(sysctl(ENTRIES, String(entries))).toBe(null);
    let state = seed;
    const random = (n: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      return rscale(state, n);
    };
    const frames = Array.from({ length: FLOWS }, (_, i) =>
      toHex(eth(0x0800, ip4('10.0.0.1', '10.0.0.2', 17, udp(1000, 5000 + i)))),
    );
    const setUp: Step[] = [
      { do: 'veth' },
      { do: 'command', argv: ['ip', 'link', 'set', 'v1', 'address', '02:00:00:00:00:02'] },
      { do: 'command', argv: ['ip', 'addr', 'add', '10.0.0.2/24', 'dev', 'v1'] },
      { do: 'command', argv: ['ip', 'neigh', 'add', '10.0.0.1', 'lladdr', '02:00:00:00:00:01', 'dev', 'v1'] },
      { do: 'write', path: `${RX0}/rps_flow_cnt`, text: String(flowCount) },
      { do: 'write', path: `${RX0}/rps_cpus`, text: formatMask(map, possible) },
      { do: 'group', name: 'cpu', dev: 'v1', mode: 2, count: possible },
    ];
    for (let i = 0; i < FLOWS; i++)
      // The last two flows have unconnected sockets, which never record.
      setUp.push({
        do: 'udp',
        name: `s${i}`,
        local: ['10.0.0.2', 5000 + i],
        remote: i < FLOWS - 2 ? ['10.0.0.1', 1000] : null,
      });
    const steps: Step[] = [];
    const events: { kind: 'packet' | 'recv' | 'close'; flow: number; cpu: number }[] = [];
    const add = (kind: 'packet' | 'recv' | 'close', flow: number) => {
      const cpu = online[random(online.length)]!;
      events.push({ kind, flow, cpu });
      if (kind === 'packet') steps.push({ do: 'send', frames: [frames[flow]!], cpu, groups: ['cpu'] });
      else if (kind === 'recv') steps.push({ do: 'recv', name: `s${flow}`, cpu });
      else steps.push({ do: 'close', name: `s${flow}` });
    };
    for (let round = 0; round < 5; round++)
      for (let i = 0; i < FLOWS; i++) {
        const flow = random(FLOWS - 4) + (round < 4 ? 4 : 0);
        add('packet', flow);
        if (random(10) < 7) add('recv', flow);
      }
    // Closing a socket wipes its entry, whoever owns it now. (Sockets 0 to 3 are not used any more.)
    for (let flow = 4; flow < 14; flow++) {
      add('packet', flow);
      add('recv', flow);
      add('packet', flow);
      add('close', flow);
      add('packet', flow);
      add('packet', flow + 12);
    }
    const results = (await observe([...setUp, ...steps])).slice(setUp.length);

    const behaviour = linuxBehaviour(release());
    const sock = new SockFlowTable(entries, possible);
    const queue = new RpsQueue({
      ...(map.length > 0 && { map: new RpsMap(map) }),
      flows: new DevFlowTable(flowCount, { flowSlot: behaviour.flowSlot }),
      sock,
      online: onlineCpus(possible),
    });
    const heads = new Int32Array(possible);
    // The last two flows have unconnected sockets.
    const sockets = Array.from(
      { length: FLOWS },
      (_, i) => new RfsSocket(sock, i < FLOWS - 2, behaviour.deleteAtUnhash),
    );
    const open = new Set(sockets.keys());
    const hashes = new Set<number>();
    const wrong: unknown[] = [];
    let steered = 0;
    events.forEach((event, at) => {
      const socket = sockets[event.flow]!;
      if (event.kind === 'recv') socket.call(event.cpu);
      else if (event.kind === 'close') {
        socket.unhash();
        open.delete(event.flow);
      } else {
        const seen = byFrame(results[at], 'cpu').get(0)!;
        const hash = seen.hash | 0;
        hashes.add(hash);
        const cpu = queue.steer(hash, heads);
        if (queue.slot >= 0) steered++;
        // Each packet is processed before the next one is sent.
        if (cpu >= 0) {
          heads[cpu] = (heads[cpu]! + 1) | 0;
          queue.enqueued(heads[cpu]!);
        }
        if (open.has(event.flow)) socket.received(hash);
        const wanted = cpu < 0 ? event.cpu : cpu;
        if (wanted !== seen.member) wrong.push({ at, ...event, hash: hash >>> 0, wanted, got: seen.member });
      }
    });
    return { wrong, steered, slots: new Set([...hashes].map((h) => h & (entries - 1))).size };
  }

  test.each([
    [1024, 1024, 'without a map', []],
    [16, 16, 'without a map', []],
    [64, 8, 'with a map', online],
  ] as const)(
    '%i entries, %i slots, %s: every packet on the CPU that the model names',
    async (entries, flows, _, map) => {
      let result = await run(entries, flows, [...map], 7);
      for (let again = 1; again < 4 && result.wrong.length > 0; again++)
        result = await run(entries, flows, [...map], 7 + again);
      expect(result.wrong).toEqual([]);
      expect(result.steered).toBeGreaterThan(50);
      if (entries === 16) expect(result.slots).toBeLessThanOrEqual(16);
    },
    60_000,
  );

  test('rps_sock_flow_entries is rounded and refused alike', () => {
    const texts = [
      '0',
      '5',
      '8',
      ' 16',
      '0x10',
      '010',
      '08',
      '0x',
      '-1',
      '+5',
      'abc',
      '',
      '5 6',
      '5\t',
      '5x',
      '5,6',
      '536870913',
      '2147483647',
      '2147483648',
      '4294967301',
      '18446744073709551621',
      '- 5',
      '\n5',
      '5\n\n',
    ];
    for (const text of texts) {
      expect(sysctl(ENTRIES, '64')).toBe(null);
      const wanted = writeRpsSockFlowEntries(text);
      // An empty write is no write.
      const errno = text === '' ? null : wanted.ok ? null : wanted.errno;
      expect({ text, errno: sysctl(ENTRIES, text), now: value(ENTRIES) }).toEqual({
        text,
        errno,
        now: wanted.ok ? String(wanted.value) : '64',
      });
    }
  });

  test('flow_limit_table_len takes powers of two alike', () => {
    for (const text of ['1024', '4096', '5', '0', '-8', '0x800', '1', '2147483648', '65536', '3 ', '8 3']) {
      expect(sysctl(LIMIT, '2048')).toBe(null);
      const wanted = writeFlowLimitTableLen(text);
      expect({ text, errno: sysctl(LIMIT, text), now: value(LIMIT) }).toEqual({
        text,
        errno: wanted.ok ? null : wanted.errno,
        now: wanted.ok ? String(wanted.value) : '2048',
      });
    }
  });
});
