/**
 * Which worker polls which receive queue.
 *
 * Promise: queue q of a port is polled by worker (`firstPoller` + q) mod workers, and `firstPoller` is chosen so that
 * all ports' queues together are dealt as evenly as that allows. A port keeps its first poller while others come and
 * go, except where single-queue ports must move to even out what a port that left or a worker that joined has made
 * uneven: each move costs a pause of the queue. The result depends on the plan alone.
 *
 * Two policies leave no choice. Under `stage=nic` the queue decides, so a port's queue q is worker q mod workers, as the
 * policy's is (a port of one queue decides nothing, and is dealt like any other), and so of a port whose queues the kernel
 * chooses by the policy (`programmed`), of each queue of the device where that has several. Under `single` worker 0 does all.
 *
 * While the program of a `programmed` port is replaced some of its queues have no poller (`gate`): their frames wait in the
 * kernel.
 */
import type { PolicySpec } from '../../policy/spec.js';
import type { PortInfo } from './port-info.js';

/** What of a port decides who polls its queues. */
export type Dealt = Pick<PortInfo, 'rxQueues' | 'firstPoller' | 'programmed' | 'gate'>;

/** The worker that polls queue `queue` of a port; -1: nobody at this moment. */
export function pollerOf({ active }: { readonly active: number }, port: Dealt, queue: number): number {
  const { programmed, firstPoller, gate } = port;
  if (programmed === undefined) return (firstPoller + queue) % active;
  const choice = queue % programmed.among;
  if (gate !== undefined && (gate === 'gather') === (choice === 0)) return -1;
  return choice % active;
}

/** The ports, by index, with first pollers among `active` workers. */
export function dealQueues<P extends Dealt>(
  ports: readonly P[],
  active: number,
  { policy, stage }: Pick<PolicySpec, 'policy' | 'stage'>,
): P[] {
  const workers = policy === 'single' ? 1 : active;
  const loads = new Array<number>(workers).fill(0);
  const load = ({ rxQueues, programmed }: Dealt, first: number, by: number) => {
    // The others get nothing.
    const queues = programmed === undefined ? rxQueues : Math.min(rxQueues, workers);
    for (let q = 0; q < queues; q++) loads[(first + q) % workers]! += by;
  };
  const firsts = ports.map(({ rxQueues, firstPoller, programmed }) => {
    if (rxQueues === 0 || programmed !== undefined || (stage === 'nic' && rxQueues > 1)) return 0;
    return firstPoller < workers ? firstPoller : -1;
  });
  ports.forEach((port, index) => {
    if (firsts[index]! >= 0) load(port, firsts[index]!, 1);
  });
  ports.forEach((port, index) => {
    if (firsts[index]! >= 0) return;
    firsts[index] = lightest(loads, port.rxQueues);
    load(port, firsts[index], 1);
  });
  for (;;) {
    const most = loads.indexOf(Math.max(...loads));
    const least = loads.indexOf(Math.min(...loads));
    const moved = ports.findLastIndex(
      ({ rxQueues, programmed }, index) =>
        rxQueues === 1 && programmed === undefined && firsts[index] === most,
    );
    if (loads[most]! - loads[least]! < 2 || moved < 0) break;
    firsts[moved] = least;
    loads[most]!--;
    loads[least]!++;
  }
  return ports.map((port, index) => ({ ...port, firstPoller: firsts[index]! }));
}

/** From which worker on `queues` more queues leave the loads most even; the lowest of several. */
function lightest(loads: readonly number[], queues: number): number {
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  loads.forEach((_, first) => {
    const after = [...loads];
    for (let q = 0; q < queues; q++) after[(first + q) % loads.length]!++;
    const unevenness = after.reduce((sum, n) => sum + n * n, 0);
    if (unevenness < least) [best, least] = [first, unevenness];
  });
  return best;
}
