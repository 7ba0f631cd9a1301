// The switch inside an SR-IOV NIC: frames from the wire, and frames that one virtual machine sends to another.
import * as rx from 'rxsteer';

const { macFilters, vlanFilters } = rx.POOL_CHIPS.find(({ id }) => id === 'ixgbe-82599');
const steering = rx.toSteering({ policy: 'pools', nic: 'ixgbe-82599', layout: '32x4', broadcast: [0, 1, 2] });
const { settings } = steering.pools;
const nic = new rx.PoolSwitch({ ...settings, anySource: rx.poolMask([0], 32, 'anySource') });
const [one, two, stranger] = ['52:54:00:00:00:01', '52:54:00:00:00:02', '52:54:00:00:00:99'].map((mac) =>
  rx.parseMac(mac, 'mac'),
);
nic.macs.add(one, rx.poolMask([1], 32, 'filter'));
nic.macs.add(two, rx.poolMask([2], 32, 'filter'));
const reasonOf = () => Object.keys(rx.PoolReason).find((name) => rx.PoolReason[name] === nic.reason);
console.log(`${macFilters} address and ${vlanFilters} VLAN filters; ${steering instanceof rx.PoolsSteering}`);
for (const mac of [one, stranger, { high: 0xffff, low: -1 }]) {
  nic.select(mac.high, mac.low, -1, 60);
  console.log(
    `${rx.formatMac(mac.high, mac.low)} from the wire: pools ${rx.formatPools(nic.low, nic.high)} (${reasonOf()})`,
  );
}
const outcomes = (bits) =>
  Object.keys(rx.Transmitted)
    .filter((name) => (bits & rx.Transmitted[name]) !== 0)
    .join('+');
console.log('VM 1 to VM 2:', outcomes(nic.transmit(1, one, two, -1, 60)), rx.formatPools(nic.low, nic.high));
console.log('VM 1 to a stranger:', outcomes(nic.transmit(1, one, stranger, -1, 60)));
console.log('VM 1 with the address of VM 2:', outcomes(nic.transmit(1, two, stranger, -1, 60)));
const multicast = new rx.HashFilter(0);
multicast.add(one.low);
console.log(
  `hash filter: ${multicast.matches(one.low)} for the address in it, ${multicast.matches(two.low)} for the next`,
);
console.log(nic.macs instanceof rx.MacFilters, nic.vlans instanceof rx.VlanFilters);
