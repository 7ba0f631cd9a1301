/** The target `sysfs`: RPS and RFS of the kernel. */
import type { BackEnd } from '../back-end.js';
import { checkSysfs } from './check.js';
import { emitSysfs } from './emit.js';
import { parseSysfs } from './parse.js';

export const sysfs: BackEnd = {
  name: 'sysfs',
  does: 'RPS and RFS of the kernel: rps_cpus, rps_flow_cnt, rps_sock_flow_entries',
  emit: emitSysfs,
  parse: parseSysfs,
  check: checkSysfs,
  applies: true,
};
