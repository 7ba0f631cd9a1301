import { expect, it } from 'vitest';
import { countSamples } from '#rxsteer/bench/lab/profile.js';

it('counts samples by the file of their instruction; what belongs to nobody else is JavaScript', () => {
  const text = [
    '  ffffffff81234567 packet_sendmsg ([kernel.kallsyms])',
    '  ffffffffc0123456 veth_xmit ([veth])',
    '      7f2700001234 rxsteer::PacketReceiver::receiveBurst (/x/build/Release/rxsteer.node)',
    '      7f2700005678 __memmove_avx512_unaligned_erms (/usr/lib/x86_64-linux-gnu/libc.so.6)',
    '      7ffe00000100 __vdso_clock_gettime ([vdso])',
    '      55d000000100 Builtins_AtomicsLoad (/usr/bin/node)',
    '      7f2655550100 JS:*dispatch file:///x/dist/dataplane/worker/loop.js:186:13 (/tmp/perf-1.map)',
    '      7f2655550200 [unknown] (//anon)',
    '',
  ].join('\n');
  const shares = countSamples(text);
  expect(shares.samples).toBe(8);
  expect(shares.kernel).toBeCloseTo(2 / 8);
  expect(shares.addon).toBeCloseTo(1 / 8);
  expect(shares.library).toBeCloseTo(2 / 8);
  expect(shares.javascript).toBeCloseTo(3 / 8);
});
