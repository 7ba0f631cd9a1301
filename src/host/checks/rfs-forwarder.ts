/** RFS follows readers of sockets; a host that only forwards has none. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { sysctlNumber } from '../read/sysctls.js';
import { all, setFlows, setSysctl } from '../remedy.js';
import { rfsOn } from '../view.js';

const NAME = 'net.core.rps_sock_flow_entries';
const FEW = 200;

export const rfsForwarder: Check = {
  id: 'rfs-forwarder',
  severity: 'I',
  title: 'RFS on a host that forwards and has few sockets',
  roles: ['forwarder', 'vm-host', 'sniffer'],
  *run(host) {
    const on = rfsOn(host);
    if (!known(on) || !on) return;
    if (!known(host.sockets)) {
      yield notKnown('host', host.sockets);
      return;
    }
    if (host.sockets > FEW) return;
    const entries = sysctlNumber(host.sysctls, NAME);
    yield found(
      'host',
      `RFS sends packets to the CPU that reads them; this host forwards (${host.roleWhy}) and has ${host.sockets} sockets`,
      { sockets: host.sockets, [NAME]: known(entries) ? entries : null },
      all(
        setSysctl(NAME, 0, known(entries) ? entries : 0),
        ...host.devices.flatMap((device) =>
          device.rx.flatMap(({ queue, flows }) =>
            known(flows) && flows > 0 ? [setFlows(device.name, queue, 0, flows)] : [],
          ),
        ),
      ),
    );
  },
};
