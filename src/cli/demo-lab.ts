/**
 * The lab of the demo: an uplink, a host and guests, each in a network namespace of its own; and the interrupt that ends it.
 */
import { guestMac } from '../dataplane/ports/memory/templates.js';
import type { Lab } from './lab.js';

export const GUESTS = 4;
export const WORKERS = 2;
/** The guest behind a TAP; the others are behind veth pairs. */
const TAP_GUEST = GUESTS - 1;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** An interrupt, from the first line on: until it is asked for, a signal would end the process without any clean-up. */
export class Interrupt {
  raised = false;
  /** Called at the moment of the interrupt. */
  action: () => void = () => {};
  private readonly onSignal = () => {
    this.raised = true;
    this.action();
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.onSignal);
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.onSignal);
  }
}

/** The uplink, the host and the guests behind veth pairs: their namespaces. */
export function build(lab: Lab): { uplink: string; host: string; guests: string[] } {
  const uplink = lab.namespace('uplink');
  const host = lab.namespace('host');
  lab.veth(uplink, 'u0', host, 'up');
  const guests = Array.from({ length: GUESTS - 1 }, (_, g) => {
    const guest = lab.namespace(`guest${g}`);
    lab.veth(guest, 'e0', host, `g${g}`);
    lab.ip('-n', guest, 'link', 'set', 'dev', 'e0', 'address', guestMac(g));
    lab.ip('-n', guest, 'addr', 'add', `11.0.0.${g + 1}/8`, 'dev', 'e0');
    return guest;
  });
  return { uplink, host, guests };
}

/** Guests at ports, in order, for a switch that is told. */
export function guestsAt(ports: readonly string[]): { readonly mac: string; readonly port: string }[] {
  return ports.map((port, guest) => ({ mac: guestMac(guest), port }));
}

/** What the host's forwarder is started with. */
export function forwarderArguments(policy: string): string[] {
  const ports = ['up=af_packet:up'];
  for (let g = 0; g < GUESTS; g++) ports.push(g === TAP_GUEST ? `g${g}=tap:g${g}` : `g${g}=af_packet:g${g}`);
  return [
    ...ports.flatMap((port) => ['--port', port]),
    ...['--mode', 'switch', '--policy', policy, '--workers', String(WORKERS)],
  ];
}

/** Makes the kernel's side of a TAP the guest of that number: its address, and from then on up. */
export function becomeGuest(lab: Lab, host: string, tap: string, guest: number): void {
  lab.ip('-n', host, 'link', 'set', 'dev', tap, 'down');
  lab.ip('-n', host, 'link', 'set', 'dev', tap, 'address', guestMac(guest));
  lab.inside(host, 'sh', '-c', `echo 1 > /proc/sys/net/ipv4/conf/${tap}/arp_notify`);
  lab.ip('-n', host, 'addr', 'add', `11.0.0.${guest + 1}/8`, 'dev', tap);
  lab.ip('-n', host, 'link', 'set', 'dev', tap, 'up');
}

/** Makes every guest say its MAC address (gratuitous ARP), as a guest does when it boots, so that it is known. */
export function announce(lab: Lab, host: string, guests: readonly string[]): void {
  becomeGuest(lab, host, `g${TAP_GUEST}`, TAP_GUEST);
  for (const guest of guests) {
    lab.inside(guest, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/e0/arp_notify');
    lab.ip('-n', guest, 'link', 'set', 'dev', 'e0', 'down');
    lab.ip('-n', guest, 'link', 'set', 'dev', 'e0', 'up');
  }
}
