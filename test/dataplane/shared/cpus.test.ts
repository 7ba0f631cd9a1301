/** CPUs by their ids, as the kernel lists them. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cpusFrom, formatCpuList, parseKernelList, permittedCpus } from '#rxsteer/dataplane/shared/cpus.js';

it.each([
  // Simultaneous multithreading switched off.
  ['0,2,4,6\n', 'Cpus_allowed_list:\t0-7\n', [0, 2, 4, 6]],
  ['0-3\n', 'Name:\tnode\nCpus_allowed:\tf\nCpus_allowed_list:\t1,3\nMems_allowed_list:\t0\n', [1, 3]],
  ['0-1,8-9\n', null, [0, 1, 8, 9]],
  [null, 'Cpus_allowed_list:\t5\n', [5]],
  [null, null, [0, 1, 2]],
])('online %j and status %j', (online, status, expected) => {
  expect(cpusFrom(online, status, 3)).toEqual(expected);
});

it('a list is read as it was written', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(200), { minLength: 1 }), (ids) => {
      const sorted = [...ids].sort((a, b) => a - b);
      expect(parseKernelList(formatCpuList(sorted))).toEqual(sorted);
    }),
  );
});

it('finds the CPUs of this machine', () => {
  expect(permittedCpus().length).toBeGreaterThan(0);
});
