/** The target `tc`: filters that name a queue. */
import type { BackEnd } from '../back-end.js';
import { emitTc, parseTc } from './emit.js';

export const tc: BackEnd = {
  name: 'tc',
  does: 'filters by MAC address that name a queue',
  emit: emitTc,
  parse: parseTc,
};
