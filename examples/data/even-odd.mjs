// A policy of one's own, for `js:FILE`: even source ports to the first half of the workers, odd ones to the second.
import { Kind } from 'rxsteer';

export default ({ workers, options }) => {
  const half = Math.max(1, workers >> 1);
  const spread = Number(options.spread ?? 1);
  return {
    steer({ n, kind, view, l4, worker }) {
      for (let i = 0; i < n; i++) {
        const port = (kind[i] & Kind.ports) !== 0 ? view.getUint16(l4[i]) : 0;
        worker[i] = ((port & 1) * half + (((port >> 1) * spread) % half)) % workers;
      }
    },
    explain: ({ view, l4 }, i) =>
      `source port ${view.getUint16(l4[i])} is ${view.getUint16(l4[i]) & 1 ? 'odd' : 'even'}`,
  };
};
