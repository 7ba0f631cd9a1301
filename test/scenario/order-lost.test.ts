/**
 * Order that a port loses while it runs, because somebody else changes the device: a warning says so, and the summary
 * claims `strict` no more.
 */
import { describe, expect, it } from 'vitest';
import { canForward, startForwarder } from '../support/forwarder.js';
import { type Lab, withLab } from '../support/lab.js';
import { matrix } from '../support/matrix.js';
import { expectConservation } from '../support/summary.js';

const setXps = (lab: Lab, ns: string) =>
  lab.exec(ns, 'sh', '-c', 'for q in 0 1; do echo $((q+1)) > /sys/class/net/p1/queues/tx-$q/xps_cpus; done');

const cases = [
  { what: 'a port that sends through the queues of its device', device: 'p1', path: 'queued' },
  { what: 'a port that sends straight into a device above such a one', device: 'm0', path: 'direct' },
];

describe.skipIf(!canForward())('XPS that is set while frames pass', () => {
  it.each(matrix(cases, [1]))('takes the promise from $what', async ({ device, path }) => {
    await withLab(async (lab) => {
      const [from, ns, to] = [await lab.namespace(), await lab.namespace(), await lab.namespace()];
      await lab.veth(from, 'g0', ns, 'p0');
      await lab.veth(ns, 'p1', to, 's0', { queues: 2 });
      if (device === 'm0') {
        await lab.exec(ns, 'ip', 'link', 'add', 'link', 'p1', 'name', 'm0', 'type', 'macvlan');
        await lab.up(ns, 'm0');
      }
      const ports = ['--port', 'a=af_packet:p0', '--port', `b=af_packet:${device}`];
      const forwarder = await startForwarder(lab, ns, ...ports);
      await setXps(lab, ns);
      await forwarder.process.line(/port b: order is lost from now on: XPS of p1/);
      // What was lost stays so: frames may still be where they were put meanwhile.
      await lab.exec(
        ns,
        'sh',
        '-c',
        'for q in 0 1; do echo 0 > /sys/class/net/p1/queues/tx-$q/xps_cpus; done',
      );
      const summary = await forwarder.stop();
      expectConservation(summary);
      expect(summary.order).toBe('none');
      expect(summary.ports[1]).toMatchObject({ detail: { transmit: path } });
    });
  });
});
