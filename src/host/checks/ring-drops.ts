/** The receive ring was full: the CPU did not come in time, or was away too long. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { advice, all, NO_REMEDY, setRing } from '../remedy.js';
import { nics, round } from '../view.js';

const SYSFS = ['rx_missed_errors', 'rx_fifo_errors', 'rx_over_errors'];
const DRIVERS =
  /^(rx_missed(_errors)?|rx_fifo_errors|rx_no_dma_resources|rx_no_buffer_count|rx_out_of_buffer|rx_discards_phy|rx_dropped\.nic|port\.rx_dropped|rx_no_desc|rx_buff_alloc_err|rx_ring_full|rx_overruns?)$/;

export const ringDrops: Check = {
  id: 'ring-drops',
  severity: 'E',
  title: 'the NIC drops packets because its receive ring is full',
  rests: 'rate',
  *run(host) {
    const { load } = host;
    if (!known(load)) {
      yield notKnown('host', load);
      return;
    }
    for (const device of nics(host)) {
      const counted: Record<string, number> = {};
      const rates = load.devices.get(device.name) ?? {};
      for (const name of SYSFS) if ((rates[name] ?? 0) > 0) counted[name] = round(rates[name]!);
      const told = load.statistics.get(device.name);
      for (const [name, gain] of Object.entries(told !== undefined && known(told) ? told : {})) {
        if (DRIVERS.test(name) && gain > 0) counted[name] = round(gain / load.seconds);
      }
      const overruns = device.ifindex === null ? 0 : (load.hwDrops.get(device.ifindex) ?? 0);
      if (overruns > 0) counted['rx-hw-drops'] = round(overruns / load.seconds);
      if (Object.keys(counted).length === 0) continue;
      const { rings } = device;
      const canGrow = known(rings) && rings.rx < rings.maxRx;
      yield found(
        device.name,
        `the receive ring overflows${known(rings) ? ` (${rings.rx} of ${rings.maxRx} descriptors)` : ''}: packets are lost before any CPU sees them`,
        {
          dropsPerSecond: counted,
          ring: known(rings) ? rings.rx : null,
          maximum: known(rings) ? rings.maxRx : null,
        },
        all(
          canGrow ? setRing(device.name, rings.maxRx, rings.rx) : NO_REMEDY,
          advice(
            'a larger ring helps bursts only: more queues (channels-low), a CPU that is free (irq-pileup)',
          ),
        ),
      );
    }
  },
};
