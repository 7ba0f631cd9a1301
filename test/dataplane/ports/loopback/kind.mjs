/** A kind of ports for tests: `loopback:PAIR`. What is sent into one end of a pair is received at the other. */
import { form } from '#rxsteer/dataplane/ports/kind.js';
import { number, onOff } from '#rxsteer/dataplane/ports/options.js';

export const loopbackKind = {
  name: 'loop-back',
  forms: [
    form({
      target: 'PAIR',
      does: 'an end of a pair',
      options: {
        queues: number({ least: 1, most: 4, fallback: 1, does: 'receive and transmit queues' }),
        plugged: onOff(true, 'somebody is there from the start'),
      },
      spec: (target, { queues, plugged }, named) => ({
        ...named,
        ...{ kind: 'loop-back', pair: target, queues, plugged },
      }),
    }),
  ],
  needsAddon: true,
  capabilities: [],
  receives: () => true,
  sends: () => true,
  ends: () => false,
  claims: () => [],
  open: new URL('./open.mjs', import.meta.url).href,
  attach: new URL('./attach.mjs', import.meta.url).href,
};
