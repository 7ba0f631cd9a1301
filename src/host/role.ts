/**
 * What a host is for, by what is on it.
 *
 * Promise: the first that holds: it runs guests (or has taps on a bridge), it sniffs, it forwards between devices, it is
 * itself a guest, else a server; and the reason in words. Pure.
 */
import { known } from './fact.js';
import type { Host, Role } from './host.js';

type Parts = Pick<
  Host,
  'devices' | 'guests' | 'managers' | 'packetSockets' | 'sysctls' | 'virtualMachine' | 'pmds'
>;

/** Sniffing needs several sockets on one device to be told from a DHCP client. */
const SNIFFER_SOCKETS = 2;

/** Finds the role. */
export function detectRole(host: Parts): { role: Role; why: string } {
  const { devices, guests, managers } = host;
  if (guests.length > 0) return { role: 'vm-host', why: `it runs ${guests.length} guests` };
  const taps = devices.filter(({ kind, master }) => kind === 'tap' && master !== null);
  if (taps.length > 0) return { role: 'vm-host', why: `${taps.length} taps are ports of a bridge` };
  if (managers.sniffers.length > 0) return { role: 'sniffer', why: `${managers.sniffers[0]} runs` };
  const sniffed = sniffedDevice(host);
  if (sniffed !== null) return { role: 'sniffer', why: `several packet sockets on ${sniffed}` };
  const nics = devices.filter(({ kind, up }) => kind === 'nic' && up);
  const bridge = devices.find(
    ({ kind, lower }) =>
      kind === 'bridge' && lower.filter((name) => nics.some((nic) => nic.name === name)).length > 1,
  );
  if (bridge !== undefined) return { role: 'forwarder', why: `${bridge.name} bridges several NICs` };
  const forward = host.sysctls['net.ipv4.ip_forward'];
  const containers = managers.kubernetes || managers.docker;
  if (known(forward) && forward === '1' && nics.length > 1 && !containers) {
    return { role: 'forwarder', why: `ip_forward is on, and ${nics.length} NICs are up` };
  }
  if (host.virtualMachine) return { role: 'guest', why: 'a hypervisor is below' };
  return { role: 'server', why: 'nothing says otherwise' };
}

/** The device with several packet sockets that receive. */
export function sniffedDevice({
  devices,
  packetSockets,
}: Pick<Host, 'devices' | 'packetSockets'>): string | null {
  if (!known(packetSockets)) return null;
  for (const { ifindex, name } of devices) {
    const sockets = packetSockets.filter((socket) => socket.ifindex === ifindex && socket.running);
    if (ifindex !== null && sockets.length >= SNIFFER_SOCKETS) return name;
  }
  return null;
}
