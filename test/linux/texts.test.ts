// Texts that the kernel reads and prints: masks, table sizes, softnet_stat.

import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatMask, parseMask, writeRpsCpus } from '#rxsteer/linux/cpumask.js';
import { formatSoftnetStat, parseSoftnetStat } from '#rxsteer/linux/softnet-stat.js';
import { writeFlowLimitTableLen, writeRpsFlowCnt, writeRpsSockFlowEntries } from '#rxsteer/linux/sysctl.js';

describe('masks', () => {
  test.each([
    [2, [], '0'],
    [2, [0, 1], '3'],
    [40, [], '00,00000000'],
    [40, [39, 0], '80,00000001'],
    [64, [63], '80000000,00000000'],
    [128, [0], '00000000,00000000,00000000,00000001'],
    [32, [31], '80000000'],
    [33, [32], '1,00000000'],
  ])('%i CPUs, %j is printed %s', (width, bits, text) => {
    expect(formatMask(bits, width)).toBe(text);
  });

  test.each(['3', '00000003', ' 3', '3\n', '3,', ',3', '3 ', '3\n9', 'x00000003'])(
    '2 CPUs: %j is 3',
    (text) => {
      expect(parseMask(text, 2)).toEqual({ ok: true, bits: [0, 1] });
    },
  );
  test.each([
    '0,3',
    '00000000,00000003',
    'f',
    '4',
    'ffffffff',
    '0000000000000003',
    '1 2',
    '100000000',
    'zz00000003',
  ])('2 CPUs: %j is too large', (text) => {
    expect(parseMask(text, 2)).toEqual({ ok: false, errno: 'EOVERFLOW' });
  });
  test.each(['0x3', 'x', '-1', '3x', 'g', '0x,3'])('2 CPUs: %j is no mask, or too many groups', (text) => {
    expect(parseMask(text, 2)).toMatchObject({ ok: false });
  });
  test('the last group is complained about first', () => {
    expect(parseMask('0,x', 2)).toEqual({ ok: false, errno: 'EINVAL' });
    expect(parseMask('x,0', 2)).toEqual({ ok: false, errno: 'EOVERFLOW' });
    expect(parseMask('', 2)).toEqual({ ok: true, bits: [] });
  });

  test('what is printed is read back, for any width', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.array(fc.nat(299)), (width, some) => {
        const bits = [...new Set(some.filter((b) => b < width))].sort((a, b) => a - b);
        const text = formatMask(bits, width);
        expect(parseMask(`${text}\n`, width)).toEqual({ ok: true, bits });
        expect(text).toMatch(/^[0-9a-f]{1,8}(,[0-9a-f]{8})*$/);
        expect(parseMask(text.toUpperCase().replaceAll(',', ' '), width)).toEqual({ ok: true, bits });
      }),
    );
  });

  test('any text gives a mask or an errno', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0123fxX, \n\t'), maxLength: 24 }), (text) => {
        const result = parseMask(text, 40);
        if (result.ok) expect(result.bits.every((b) => b < 40)).toBe(true);
        else expect(['EINVAL', 'EOVERFLOW']).toContain(result.errno);
      }),
    );
  });

  test('rps_cpus: housekeeping first, then online CPUs only', () => {
    const machine = { nrCpuIds: 4, online: [0, 1, 3] };
    expect(writeRpsCpus('f', machine)).toEqual({ ok: true, cpus: [0, 1, 3] });
    expect(writeRpsCpus('4', machine)).toEqual({ ok: true, cpus: [] });
    expect(writeRpsCpus('f', { ...machine, housekeeping: [2, 3] })).toEqual({ ok: true, cpus: [3] });
    expect(writeRpsCpus('3', { ...machine, housekeeping: [2, 3] })).toEqual({ ok: false, errno: 'EINVAL' });
    expect(writeRpsCpus('0', { ...machine, housekeeping: [2, 3] })).toEqual({ ok: true, cpus: [] });
    expect(writeRpsCpus('1', { ...machine, netAdmin: false })).toEqual({ ok: false, errno: 'EPERM' });
    expect(writeRpsCpus('10', machine)).toEqual({ ok: false, errno: 'EOVERFLOW' });
  });
});

describe('table sizes', () => {
  test.each([
    ['0', 0],
    ['1', 1],
    ['3', 4],
    ['1000', 1024],
    ['1025', 2048],
    ['0x10', 16],
    ['010', 8],
    ['+5', 8],
    ['5\n', 8],
    ['2147483649', 2 ** 32],
    ['4294967296', 2 ** 32],
    ['-1', 'EINVAL'],
    [' 5', 'EINVAL'],
    ['abc', 'EINVAL'],
    ['4294967297', 'EINVAL'],
    ['18446744073709551616', 'ERANGE'],
  ])('rps_flow_cnt %j: %s', (text, wanted) => {
    const result = writeRpsFlowCnt(text, { limit: 'u32' });
    expect(result.ok ? result.value : result.errno).toBe(wanted);
  });

  test('since 7.1 the table is at most 2^31 - 1 bytes', () => {
    expect(writeRpsFlowCnt('178956970')).toEqual({ ok: true, value: 2 ** 28 });
    expect(writeRpsFlowCnt('178956971')).toEqual({ ok: false, errno: 'EINVAL' });
    expect(writeRpsFlowCnt('178956971', { entryBytes: 8 }).ok).toBe(true);
  });

  test('a flow table larger than memory is ENOMEM', () => {
    expect(writeRpsFlowCnt('4294967296', { totalMemoryBytes: 2 ** 34, limit: 'u32' })).toEqual({
      ok: false,
      errno: 'ENOMEM',
    });
    expect(writeRpsFlowCnt('1024', { totalMemoryBytes: 8192, entryBytes: 8 })).toEqual({
      ok: true,
      value: 1024,
    });
    expect(writeRpsFlowCnt('1024', { totalMemoryBytes: 8192 }).ok).toBe(false);
  });

  test.each([
    ['0', 0],
    ['5', 8],
    [' 5', 8],
    ['5 6', 8],
    ['536870912', 536870912],
    ['536870913', 'EINVAL'],
    ['-1', 'EINVAL'],
    ['5x', 'EINVAL'],
    ['', 'EINVAL'],
    ['2147483648', 'EINVAL'],
  ])('rps_sock_flow_entries %j: %s', (text, wanted) => {
    const result = writeRpsSockFlowEntries(text);
    expect(result.ok ? result.value : result.errno).toBe(wanted);
  });

  test('flow_limit_table_len', () => {
    expect(writeFlowLimitTableLen('4096')).toEqual({ ok: true, value: 4096 });
    for (const text of ['0', '-4', '1000', 'x']) expect(writeFlowLimitTableLen(text).ok).toBe(false);
  });
});

describe('softnet_stat', () => {
  const text =
    '0000272d 00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000000 00000034 00000005 00000006 00000000 00000004 00000002\n';
  const row = {
    processed: 0x272d,
    dropped: 1,
    timeSqueeze: 2,
    receivedRps: 0x34,
    flowLimitCount: 5,
    backlogLength: 6,
    cpu: 0,
    inputLength: 4,
    processLength: 2,
  };

  test('15 columns both ways', () => {
    expect(parseSoftnetStat(text)).toEqual([row]);
    expect(formatSoftnetStat([row])).toBe(text);
    expect(parseSoftnetStat('')).toEqual([]);
  });

  test.each([
    [
      9,
      {
        receivedRps: null,
        flowLimitCount: null,
        backlogLength: null,
        cpu: null,
        inputLength: null,
        processLength: null,
      },
    ],
    [10, { flowLimitCount: null, backlogLength: null, cpu: null, inputLength: null, processLength: null }],
    [11, { backlogLength: null, cpu: null, inputLength: null, processLength: null }],
    [13, { inputLength: null, processLength: null }],
  ])('%i columns of an older kernel', (columns, missing) => {
    const line = text.trim().split(' ').slice(0, columns).join(' ');
    expect(parseSoftnetStat(`${line}\n`)).toEqual([{ ...row, ...missing }]);
  });

  test('anything else is refused with its line', () => {
    expect(() => parseSoftnetStat(`${text}0000\n`)).toThrow(/line 2: wanted 9, 10, 11, 13, 15 columns/);
    expect(() => parseSoftnetStat(text.replaceAll(' ', '  '))).toThrow(/line 1/);
  });

  test.skipIf(!existsSync('/proc/net/softnet_stat'))(
    'the running kernel’s file is read and printed alike',
    () => {
      const file = readFileSync('/proc/net/softnet_stat', 'utf8');
      const rows = parseSoftnetStat(file);
      expect(rows.length).toBeGreaterThan(0);
      const columns = file.split('\n', 1)[0]!.split(' ').length;
      const printed = formatSoftnetStat(rows).split('\n');
      // Columns 4 to 9 are zeros since 2.6; columns that this kernel lacks are printed as zeros.
      file.split('\n').forEach((line, i) => {
        expect(printed[i]!.split(' ').slice(0, columns).join(' ')).toBe(line);
      });
    },
  );

  test('rows survive the way there and back', () => {
    const u32 = fc.integer({ min: 0, max: 0xffffffff });
    const any = fc.record(
      Object.fromEntries(Object.keys(row).map((k) => [k, u32])) as Record<keyof typeof row, typeof u32>,
    );
    fc.assert(
      fc.property(fc.array(any), (rows) => {
        expect(parseSoftnetStat(formatSoftnetStat(rows))).toEqual(rows);
      }),
    );
  });
});
