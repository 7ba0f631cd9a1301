/**
 * Other kernels than this machine's: each one below the folders of RXSTEER_KERNELS is booted (emulated, so slow), sends
 * through AF_XDP sockets whose device fills up, and forwards sequence-checked traffic. The oracle is what arrives.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canForward } from '../support/forwarder.js';
import { GUEST_REPOSITORY, kernelsToTry, runInGuest } from '../support/guest.js';
import { withLab } from '../support/lab.js';
import { expectConservation, type Summary } from '../support/summary.js';
import type { Generated, Sunk } from '../support/traffic.js';
import { expectBoth, expectFull, FULL_CASES } from '../support/xsk-verdict.js';

const PACKETS = 3000;
const FLOWS = 40;
/** Of the forwarder: the ports, the policy, and one that takes its place while frames pass. */
const RUNS: readonly (readonly [string, string, string, string?])[] = [
  ['af_packet:p0', 'af_packet:p1,xsk=on', 'rss'],
  ['af_packet:p0', 'af_packet:p1,xsk=off', 'rss'],
  ['af_packet:p0', 'af_packet:p1,xsk=on', 'mac'],
  ['af_packet:p0', 'af_packet:p1,queues=2,fanout=hash', 'rps:cpus=0-1'],
  ['af_packet:p0', 'tap:t1,queues=2', 'rss'],
  ['af_xdp:p0', 'af_xdp:p1', 'rss'],
  ['af_xdp:p0,steer=on', 'af_packet:p1', 'rss:queues=2', 'mac-hash:fields=both'],
  ['af_packet:p0,queues=2,fanout=policy', 'af_xdp:p1', 'rss:queues=2', 'mac-hash:fields=both'],
];
const PATIENCE_MS = 20 * 60_000;

const kernels = kernelsToTry();
const reason = typeof kernels === 'string' ? kernels : '';
if (reason !== '') process.stderr.write(`tests with other kernels are skipped: ${reason}\n`);

const XSK = `node ${GUEST_REPOSITORY}/test/support/xsk-send.mjs`;
/** Busybox's shell takes its own `ip` unless told where the other one is. */
const ip = '/usr/local/bin/ip link';
const veth = (a: string, b: string) =>
  `${ip} add ${a} type veth peer name ${b}; ${ip} set ${a} up; ${ip} set ${b} up`;
/** Bounded: a program that ended without a word shall not hang the guest. */
const until = (what: string, file: string) =>
  `n=0; until grep -qs ${what} ${file} || [ $((n += 1)) -gt 60 ]; do sleep 1; done`;

/** `@ NAME` begins what belongs to a step. A TAP's far end is the kernel, which has nothing to send: one way only. */
const script = [
  'echo 0 > /proc/sys/kernel/printk',
  veth('a0', 'a1'),
  veth('b0', 'b1'),
  `echo @ both; ${XSK} both`,
  ...FULL_CASES.map(([queue, kernel]) => `echo @ full ${queue} ${kernel}; ${XSK} full ${queue} ${kernel}`),
  `${ip} del a0; ${ip} del b0`,
  veth('g0', 'p0'),
  veth('g1', 'p1'),
  ...RUNS.map(([first, second, policy, next], n) => {
    const seenOn = second.startsWith('tap:t1') ? 't1' : 'g1';
    const control = next === undefined ? '--no-control' : '--control /tmp/c.sock';
    const change = `node ${GUEST_REPOSITORY}/dist/cli/main.js ctl --socket /tmp/c.sock apply --policy ${next} >>/tmp/log 2>&1`;
    return `
rm -f /tmp/log /tmp/sink
node ${GUEST_REPOSITORY}/dist/cli/main.js forward --port a=${first} --port b=${second} \
  --policy ${policy} --workers 2 ${control} --no-warm-up --json >/tmp/summary 2>/tmp/log &
forwarder=$!
${until('^ready', '/tmp/log')}
pktsink --interface ${seenOn} >/tmp/sunk 2>/tmp/sink &
sink=$!
${until('ready', '/tmp/sink')}
pktgen --interface g0 --flows ${FLOWS} --guests 8 --packets ${PACKETS} --rate 1000 --size 100 >/tmp/generated 2>>/tmp/log &
generator=$!
${next === undefined ? '' : change}
wait $generator
sleep 3
{ kill -INT $forwarder; wait $forwarder; kill $sink; wait $sink; } 2>/dev/null
for file in log generated sunk summary; do echo @ run ${n} $file; cat /tmp/$file; done`;
  }),
  'echo @ end',
].join('\n');

/** The console by steps. */
function steps(console_: string): Map<string, string> {
  const parts = console_.split(/^@ (.*)\n/m);
  return new Map(parts.flatMap((part, i) => (i % 2 === 1 ? [[part, parts[i + 1]!]] : [])));
}

describe.skipIf(reason !== '' || !canForward())('other kernels', () => {
  if (reason !== '') it(`(${reason})`, () => {});
  it.each(typeof kernels === 'string' ? [] : kernels)('$version', async (kernel) => {
    const folder = mkdtempSync(join(tmpdir(), 'rxsteer-test-'));
    try {
      await withLab(async (lab) => {
        const console_ = await runInGuest(lab, await lab.namespace(), folder, kernel, script, PATIENCE_MS);
        const shown = steps(console_);
        expect(shown.has('end'), console_).toBe(true);
        expectBoth(shown.get('both')!);
        for (const [queue, kind] of FULL_CASES) expectFull(shown.get(`full ${queue} ${kind}`)!, queue);
        for (const [n, run] of RUNS.entries()) {
          const text = (file: string) => shown.get(`run ${n} ${file}`) ?? '';
          expect(text('log'), run.join(' ')).toMatch(/^ready/m);
          const generated: Generated = JSON.parse(text('generated'));
          const seen: Sunk = JSON.parse(text('sunk'));
          const summary: Summary = JSON.parse(text('summary'));
          const context = `${run.join(' ')}\n${text('log')}\n${text('sunk')}\n${text('summary')}`;
          expectConservation(summary);
          expect(generated.sent).toBe(PACKETS);
          // A machine this slow may drop frames; each is counted on its way (see scenario/order.test.ts).
          const [from, to] = [summary.ports[0]!, summary.ports[1]!];
          expect(from.rx.packets + from.rx.kernelDrops, context).toBe(generated.sent + generated.rejected);
          const arrived = seen.checked + seen.kernelDrops;
          expect([arrived, arrived + seen.rxDropped], context).toContain(to.tx.packets);
          expect(seen.checked, context).toBeGreaterThan(PACKETS / 2);
          if (run[3] !== undefined) {
            expect(summary.policy, context).toBe(run[3]);
            expect(summary.handoffs.filter(({ packets }) => packets > 0)).toEqual([]);
          }
          expect(seen, context).toMatchObject({ flows: FLOWS, duplicates: 0, late: 0, other: 0 });
          expect([seen.reordered.packets, summary.totals.reordered], context).toEqual([0, 0]);
          console.log(
            `${run.join(' ')}: ${seen.checked} of ${PACKETS} arrived, in order, the others counted`,
          );
        }
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
