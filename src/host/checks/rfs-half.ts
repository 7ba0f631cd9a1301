/**
 * RFS needs both of its tables; with one of them it does nothing, or only costs.
 * Source: get_rps_cpu (net/core/dev.c), scaling.rst "RFS Configuration".
 */

import { pow2up } from '../../linux/arith.js';
import { type Check, found, notKnown } from '../check.js';
import { known, reasons } from '../fact.js';
import { sysctlNumber } from '../read/sysctls.js';
import { all, setFlows, setSysctl } from '../remedy.js';
import { flowShare, nics } from '../view.js';

const NAME = 'net.core.rps_sock_flow_entries';

export const rfsHalf: Check = {
  id: 'rfs-half',
  severity: 'E',
  title: 'RFS is half set up: one of its two tables is missing',
  *run(host) {
    const entries = sysctlNumber(host.sysctls, NAME);
    const queues = host.devices.flatMap((device) => device.rx.map((rx) => ({ device, ...rx })));
    const set = queues.filter(({ flows }) => known(flows) && flows > 0);
    if (!known(entries)) {
      if (queues.length > 0) yield notKnown('RFS', entries);
      return;
    }
    // Who forwards has no applications to follow: both tables off, not both on (rfs-forwarder).
    const forwards = host.role === 'forwarder' || host.role === 'vm-host';
    const sum = set.reduce((total, { flows }) => total + (flows as number), 0);
    if (entries === 0 && set.length > 0) {
      yield found(
        'host',
        `${set.length} queues have flow tables (rps_flow_cnt) and the table of sockets is off: no flow is ever steered`,
        {
          [NAME]: 0,
          flows: sum,
          queues: set
            .slice(0, 16)
            .map(({ device, queue, flows }) => `${device.name} rx-${queue}: ${flows as number}`),
        },
        forwards
          ? all(...set.map(({ device, queue, flows }) => setFlows(device.name, queue, 0, flows as number)))
          : setSysctl(NAME, pow2up(sum), 0),
      );
    }
    if (entries > 0 && set.length === 0 && queues.length > 0) {
      const unread = queues.map(({ flows }) => flows).filter((flows) => !known(flows));
      if (unread.length > 0) {
        yield notKnown('RFS', `${reasons(unread.slice(0, 2))}`);
        return;
      }
      const targets = nics(host);
      yield found(
        'host',
        `the table of sockets has ${entries} entries and no queue has a flow table (rps_flow_cnt): each receive call notes its CPU for nobody`,
        { [NAME]: entries, flows: 0 },
        forwards
          ? setSysctl(NAME, 0, entries)
          : all(
              ...targets.flatMap((device) =>
                device.rx.map(({ queue }) =>
                  setFlows(device.name, queue, flowShare(entries, device.rx.length), 0),
                ),
              ),
            ),
      );
    }
  },
};
