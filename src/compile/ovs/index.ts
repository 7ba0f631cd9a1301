/** The target `ovs`: queues and PMD threads of Open vSwitch's userspace datapath. */
import type { BackEnd } from '../back-end.js';
import { checkOvs } from './check.js';
import { emitOvs, parseOvs } from './emit.js';

export const ovs: BackEnd = {
  name: 'ovs',
  does: 'queues of a port of Open vSwitch, and the PMD thread of each',
  emit: emitOvs,
  parse: parseOvs,
  check: checkOvs,
};
