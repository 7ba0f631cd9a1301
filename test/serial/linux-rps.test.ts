// The running kernel as oracle for RPS, masks and table sizes: its own hash goes into the model, the CPU must agree.

import { release, totalmem } from 'node:os';
import { describe, expect, test } from 'vitest';
import { formatMask, parseMask, writeRpsCpus } from '#rxsteer/linux/cpumask.js';
import { onlineCpus, RpsQueue } from '#rxsteer/linux/rps.js';
import { RpsMap } from '#rxsteer/linux/rps-tables.js';
import { writeRpsFlowCnt } from '#rxsteer/linux/sysctl.js';
import { linuxBehaviour } from '#rxsteer/linux/version.js';
import { eth, ip4, tcp, udp } from '../linux/frames.js';
import { byFrame, cannotObserve, cpus, observe, type Step, toHex } from './kernel.js';

const reason = cannotObserve();
if (reason !== '') console.warn(`kernel tests of RPS skipped: ${reason}`);
const RX0 = '/sys/class/net/v1/queues/rx-0';
const FANOUT_CPU = 2;

describe.skipIf(reason !== '')('RPS of the running kernel', () => {
  const { online, possible } = cpus();

  test('the CPU is the one that the model names, for every packet, mask and sender', async () => {
    const frames = Array.from({ length: 96 }, (_, i) =>
      eth(
        0x0800,
        ip4(
          '10.0.0.1',
          '10.0.0.2',
          i % 3 === 0 ? 6 : 17,
          i % 3 === 0 ? tcp(1000 + i, 80) : udp(1000 + i, 53),
        ),
      ),
    );
    const masks = [[], [online[0]!], [online.at(-1)!], online];
    const steps: Step[] = [
      { do: 'veth' },
      { do: 'group', name: 'cpu', dev: 'v1', mode: FANOUT_CPU, count: possible },
    ];
    const runs: { mask: number[]; sender: number; at: number }[] = [];
    for (const mask of masks)
      for (const sender of online) {
        steps.push({ do: 'write', path: `${RX0}/rps_cpus`, text: formatMask(mask, possible) });
        runs.push({ mask, sender, at: steps.length });
        steps.push({ do: 'send', frames: frames.map(toHex), cpu: sender, groups: ['cpu'] });
      }
    const results = await observe(steps);
    let used = new Set<number>();
    for (const { mask, sender, at } of runs) {
      const seen = byFrame(results[at], 'cpu');
      expect(seen.size).toBe(frames.length);
      const queue = new RpsQueue({
        ...(mask.length > 0 && { map: new RpsMap(mask) }),
        online: onlineCpus(possible),
      });
      const heads = new Int32Array(possible);
      for (const [frame, { member, hash }] of seen) {
        const cpu = queue.steer(hash | 0, heads);
        expect({ mask, sender, frame, cpu: cpu < 0 ? sender : cpu }).toEqual({
          mask,
          sender,
          frame,
          cpu: member,
        });
        if (mask.length > 1) used = used.add(member);
      }
    }
    expect(used.size).toBe(online.length);
  });

  test('masks are accepted, refused and printed alike', async () => {
    const all = formatMask(online, possible);
    const texts = [
      '0',
      '1',
      all,
      `0000000${all}`.slice(-8),
      `0,${all}`,
      `00000000,0000000${all}`,
      `${all}\n`,
      ` ${all}`,
      '0x3',
      '4',
      'f',
      'x',
      '\n',
      ' ',
      ',',
      '0000000000000003',
      '3,',
      '1 2',
      '1\t',
      '1\v\f\r',
      'ffffffff',
      '100000000',
      '1,0',
      'F',
      '1\n2',
      '1\nx',
      'x00000001',
      'zz00000001',
      'x0000001',
      '1x',
      ',1',
      ',,1',
      '1,,',
      '-1',
      '+1',
      'g0000000001',
    ];
    const steps: Step[] = [{ do: 'veth' }];
    for (const text of texts)
      steps.push(
        { do: 'write', path: `${RX0}/rps_cpus`, text: '1' },
        { do: 'write', path: `${RX0}/rps_cpus`, text },
        { do: 'read', path: `${RX0}/rps_cpus` },
      );
    const results = await observe(steps);
    texts.forEach((text, i) => {
      const wanted = writeRpsCpus(text, { nrCpuIds: possible, online });
      const errno = wanted.ok ? null : wanted.errno;
      const readBack = `${formatMask(wanted.ok ? wanted.cpus : [0], possible)}\n`;
      expect({ text, errno: results[3 * i + 2], readBack: results[3 * i + 3] }).toEqual({
        text,
        errno,
        readBack,
      });
    });
  });

  test('xps masks are parsed alike, against CPUs and receive queues', async () => {
    const TX = '/sys/class/net/v0/queues/tx-1';
    const texts = ['0', '1', '3', '7', '8', 'f', '10', '1f', 'x', '0x1', '00000001', '1,0', ''];
    const steps: Step[] = [{ do: 'veth', queues: 4 }];
    for (const text of texts)
      for (const file of ['xps_cpus', 'xps_rxqs'])
        steps.push(
          { do: 'write', path: `${TX}/${file}`, text: '0' },
          { do: 'write', path: `${TX}/${file}`, text },
          { do: 'read', path: `${TX}/${file}` },
        );
    const results = await observe(steps);
    texts.forEach((text, i) => {
      [possible, 4].forEach((width, j) => {
        const at = 1 + 3 * (2 * i + j);
        const wanted = parseMask(text, width);
        // Offline CPUs of a CPU mask are ignored; the numbers of receive queues are all good.
        const bits = wanted.ok ? wanted.bits.filter((b) => j === 1 || online.includes(b)) : [];
        expect({ text, width, errno: results[at + 1], readBack: results[at + 2] }).toEqual({
          text,
          width,
          errno: wanted.ok ? null : wanted.errno,
          readBack: `${formatMask(bits, width)}\n`,
        });
      });
    });
  });

  test('rps_flow_cnt is rounded and refused alike', async () => {
    const texts = [
      '0',
      '1',
      '2',
      '3',
      '1000',
      '1024',
      '1025',
      '0x10',
      '0X1f',
      '010',
      '08',
      '0x',
      '+5',
      '-1',
      ' 5',
      '5 ',
      '5\n',
      '5\n\n',
      'abc',
      '4294967296',
      '4294967297',
      '18446744073709551615',
      '18446744073709551616',
      '18446744073709551616x',
      '32768',
      '1_0',
      '1e3',
    ];
    const steps: Step[] = [{ do: 'veth' }];
    for (const text of texts)
      steps.push(
        { do: 'write', path: `${RX0}/rps_flow_cnt`, text: '64' },
        { do: 'write', path: `${RX0}/rps_flow_cnt`, text },
        { do: 'read', path: `${RX0}/rps_flow_cnt` },
      );
    steps.push({ do: 'write', path: `${RX0}/rps_flow_cnt`, text: '0' });
    const results = await observe(steps);
    texts.forEach((text, i) => {
      const wanted = writeRpsFlowCnt(text, {
        totalMemoryBytes: totalmem(),
        limit: linuxBehaviour(release()).flowCntLimit,
      });
      expect({ text, errno: results[3 * i + 2], readBack: results[3 * i + 3] }).toEqual({
        text,
        errno: wanted.ok ? null : wanted.errno,
        readBack: `${wanted.ok ? wanted.value : 64}\n`,
      });
    });
  });
});
