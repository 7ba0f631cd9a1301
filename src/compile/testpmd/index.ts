/** The target `testpmd`: table, key, hash and flow rules of DPDK. */
import type { BackEnd } from '../back-end.js';
import { checkTestpmd } from './check.js';
import { emitTestpmd, parseTestpmd } from './emit.js';

export const testpmd: BackEnd = {
  name: 'testpmd',
  does: 'RSS and flow rules of a port of DPDK',
  emit: emitTestpmd,
  parse: parseTestpmd,
  check: checkTestpmd,
};
