/**
 * Ways from a virtual machine's network card to this program.
 *
 * Promise: data and pure functions. `copies` are those of a frame's bytes, as the code on the way has them; they are known,
 * not measured.
 */
import { join } from 'node:path';

export interface GuestPath {
  readonly name: string;
  /** Modules that the guest needs beside those of a virtio card. */
  readonly modules: readonly string[];
  /** Copies of a frame from a packet socket's interface into the guest's memory, and from one guest's into another's. */
  readonly copies: { readonly in: number; readonly between: number; readonly which: string };
  /** The guest starts its rings only with a forwarder there; a TAP is there before. */
  readonly needsForwarder: boolean;
  /** The TAP or socket of guest n. */
  at(folder: string, n: number): string;
  /** `--port` for guest n, whose TAP or socket is `at`. */
  port(n: number, at: string): string;
  /** QEMU's options for it. */
  card(at: string, mac: string): string[];
}

function onTap(
  name: string,
  device: string,
  modules: readonly string[],
  copies: GuestPath['copies'],
): GuestPath {
  return {
    ...{ name, modules, copies, needsForwarder: false },
    at: (_, n) => `vm${n}`,
    port: (n, at) => `g${n}=af_packet:${at}`,
    card: (at, mac) => [
      ...['-netdev', `tap,id=n,ifname=${at},script=no,downscript=no,vhost=off`],
      ...['-device', `${device},netdev=n,mac=${mac}`],
    ],
  };
}

const TAP_IN = 'ring of the packet socket, pool, kernel buffer, QEMU, guest';

export const GUEST_PATHS: readonly GuestPath[] = [
  onTap('e1000', 'e1000', ['drivers/net/ethernet/intel/e1000/e1000'], {
    ...{ in: 5, between: 7 },
    which: `in: ${TAP_IN}; between guests: QEMU and a kernel buffer before that`,
  }),
  onTap('virtio-net', 'virtio-net-pci', [], {
    ...{ in: 5, between: 6 },
    which: `in: ${TAP_IN}; between guests: a kernel buffer before that (QEMU writes from the guest's memory)`,
  }),
  {
    ...{ name: 'vhost-user', modules: [], needsForwarder: true },
    at: (folder, n) => join(folder, `${n}.sock`),
    copies: {
      ...{ in: 3, between: 2 },
      which: 'in: ring of the packet socket, pool, guest; between guests: pool, guest',
    },
    port: (n, at) => `g${n}=vhost-user:${at}`,
    card: (at, mac) => [
      ...['-chardev', `socket,id=c,path=${at},reconnect=1`, '-netdev', 'vhost-user,id=n,chardev=c'],
      // QEMU 7.2 crashes with MSI-X where there is no KVM.
      ...['-device', `virtio-net-pci,netdev=n,mac=${mac},vectors=0,rx_queue_size=1024`],
    ],
  },
];
