/** Deferred interrupts need both settings: a number of polls, and the timer that wakes the queue in between. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { setAttribute } from '../remedy.js';

const TIMEOUT_NS = 200_000;

export const deferHalf: Check = {
  id: 'defer-half',
  severity: 'W',
  title: 'one of napi_defer_hard_irqs and gro_flush_timeout without the other',
  *run(host) {
    for (const { name, deferHardIrqs, groFlushTimeout } of host.devices) {
      if (!known(deferHardIrqs) || !known(groFlushTimeout)) continue;
      if (deferHardIrqs > 0 === groFlushTimeout > 0) continue;
      yield found(
        name,
        deferHardIrqs > 0
          ? 'napi_defer_hard_irqs is set without gro_flush_timeout: without the timer nothing is deferred'
          : 'gro_flush_timeout is set without napi_defer_hard_irqs: GRO waits for more packets while interrupts come as before',
        { napi_defer_hard_irqs: deferHardIrqs, gro_flush_timeout: groFlushTimeout },
        deferHardIrqs > 0
          ? setAttribute(name, 'gro_flush_timeout', `${TIMEOUT_NS}`, '0')
          : setAttribute(name, 'gro_flush_timeout', '0', `${groFlushTimeout}`),
      );
    }
  },
};
