/** Rules that send to a queue or context that is not there. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { advice, all, ethtool, quoted } from '../remedy.js';
import { nics, rxQueueCount } from '../view.js';

export const ntupleDead: Check = {
  id: 'ntuple-dead',
  severity: 'E',
  title: 'flow rules that lead nowhere',
  *run(host) {
    for (const device of nics(host)) {
      const { rules, channels } = device;
      const ntuple = known(device.features) ? device.features['ntuple-filters'] : undefined;
      if (!known(rules)) {
        if (ntuple?.on === true) yield notKnown(device.name, rules);
        continue;
      }
      const queues = rxQueueCount(device);
      if (!known(channels) && device.rx.length === 0) continue;
      const dead = rules.filter(
        ({ queue, contextExists }) => (queue !== null && queue >= queues) || contextExists === false,
      );
      if (dead.length === 0) continue;
      yield found(
        device.name,
        `${dead.length} of ${rules.length} flow rules lead to a queue or context that is not there (${queues} queues): what they match is lost or goes elsewhere`,
        {
          queues,
          rules: dead.map(({ location, queue, context }) =>
            context === null ? `${location}: queue ${queue}` : `${location}: context ${context}`,
          ),
        },
        all(
          ...dead.map(({ location }) => ethtool('-N', device.name, `delete ${location}`, null)),
          advice(
            `write them down before (ethtool -n ${quoted(device.name)}): a deleted rule comes back only by its words`,
          ),
        ),
      );
    }
  },
};
