/** The target `libvirt`: queues of a guest's card, and the CPU that works for a guest. */
import type { BackEnd } from '../back-end.js';
import { checkLibvirt } from './check.js';
import { emitLibvirt, parseLibvirt } from './emit.js';

export const libvirt: BackEnd = {
  name: 'libvirt',
  does: 'queues of a guest’s card, and the CPU that works for each guest',
  emit: emitLibvirt,
  parse: parseLibvirt,
  check: checkLibvirt,
};
