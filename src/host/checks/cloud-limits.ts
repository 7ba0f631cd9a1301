/** The cloud's own limits of an instance: steering cannot help. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { advice } from '../remedy.js';
import { nics, round } from '../view.js';

export const cloudLimits: Check = {
  id: 'cloud-limits',
  severity: 'I',
  title: 'the cloud drops or delays packets beyond the instance’s allowance',
  rests: 'rate',
  *run(host) {
    const { load } = host;
    if (!known(load)) return;
    for (const device of nics(host)) {
      const told = load.statistics.get(device.name);
      if (told === undefined || !known(told)) continue;
      const hit = Object.entries(told).filter(
        ([name, gain]) => name.endsWith('_allowance_exceeded') && gain > 0,
      );
      if (hit.length === 0) continue;
      yield found(
        device.name,
        `the instance exceeded ${hit.map(([name]) => name.replace('_allowance_exceeded', '')).join(', ')}: the cloud shapes it, whatever is steered here`,
        Object.fromEntries(hit.map(([name, gain]) => [name, round(gain / load.seconds)])),
        advice('a larger instance, or fewer packets'),
      );
    }
  },
};
