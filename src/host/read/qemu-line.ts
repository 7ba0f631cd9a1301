/**
 * The network cards of a guest, from QEMU's command line.
 *
 * Promise: `-netdev`, `-device`, `-nic` and the old `-net`, in words (`tap,id=n0,queues=4`) and as JSON, which libvirt
 * writes. What is not there has the value that QEMU gives it. Pure.
 *
 * Source: qemu-options.hx, net/tap.c, hw/net/virtio-net.c (QEMU 9).
 */

/** A network card of a guest, and what is behind it. */
export interface GuestNic {
  /** Id of the netdev; empty where there is none. */
  readonly netdev: string;
  /** `virtio-net-pci`, `e1000`, … */
  readonly model: string;
  /** `tap`, `user`, `vhost-user`, … */
  readonly backend: string;
  readonly ifname: string | null;
  /** Pairs of queues that the netdev has. */
  readonly queues: number;
  readonly mq: boolean;
  /** Whether the netdev asks for vhost; null where the line does not say. */
  readonly vhost: boolean | null;
  readonly vectors: number | null;
  /** The guest's address; null where QEMU chooses. */
  readonly mac: string | null;
  /** Descriptors that QEMU inherited for the tap. */
  readonly fds: readonly number[];
}

/** The line. */
export interface QemuLine {
  readonly name: string | null;
  readonly nics: readonly GuestNic[];
}

type Options = Readonly<Record<string, string>>;

/** `a,b=c,,d` (a doubled comma is a comma) or JSON. The first word without `=` is `first`. */
function optionsOf(text: string, first: string): Options {
  if (text.trimStart().startsWith('{')) {
    try {
      const value = JSON.parse(text) as Record<string, unknown>;
      return Object.fromEntries(
        Object.entries(value).map(([key, v]) => [key, v === true ? 'on' : v === false ? 'off' : String(v)]),
      );
    } catch {
      // Cut short by the kernel, or nothing that QEMU would take: nothing is known of it.
      return {};
    }
  }
  const found: Record<string, string> = {};
  text
    .split(/(?<!,),(?!,)/)
    .map((part) => part.replaceAll(',,', ','))
    .forEach((part, i) => {
      const at = part.indexOf('=');
      if (at > 0) found[part.slice(0, at)] = part.slice(at + 1);
      else if (i === 0) found[first] = part;
      else found[part] = 'on';
    });
  return found;
}

const isOn = (value: string | undefined) => value === 'on' || value === 'true' || value === 'yes';
const list = (value: string | undefined) =>
  value === undefined
    ? []
    : value
        .split(':')
        .map(Number)
        .filter((fd) => Number.isInteger(fd));

/** Queues and vectors at most: beyond what any device has. */
const COUNT_MAX = 1 << 16;

/** A whole number; null for what is none. */
function countOf(value: string | undefined): number | null {
  const count = Number(value?.trim() || Number.NaN);
  return Number.isInteger(count) && count >= 0 && count <= COUNT_MAX ? count : null;
}

/** An address; null for what is none: any user may start a process with such a line. */
function addressOf(value: string | undefined): string | null {
  return value !== undefined && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value) ? value.toLowerCase() : null;
}

function netdevOf(options: Options) {
  const fds = [...list(options.fds), ...list(options.fd)];
  const given = countOf(options.queues ?? options['queue-pairs']) ?? 0;
  return {
    backend: options.type ?? '',
    ifname: options.ifname ?? null,
    queues: Math.max(1, given, fds.length),
    vhost:
      options.vhost === undefined
        ? options.vhostfd !== undefined || options.vhostfds !== undefined || isOn(options.vhostforce)
          ? true
          : null
        : isOn(options.vhost),
    fds,
  };
}

const NIC_DEVICE = /^(virtio-net|e1000|rtl8139|vmxnet3|ne2k|pcnet|i8255|i8254|i8280|igb|tulip|usb-net)/;

/** @param words the process's arguments */
export function parseQemuLine(words: readonly string[]): QemuLine {
  const netdevs = new Map<string, ReturnType<typeof netdevOf>>();
  const nics: GuestNic[] = [];
  const devices: Options[] = [];
  let name: string | null = null;
  const oldNics: Options[] = [];
  for (let at = 0; at + 1 < words.length; at++) {
    const flag = words[at]!.replace(/^--/, '-');
    const value = words[at + 1]!;
    if (flag === '-name') name = optionsOf(value, 'guest').guest ?? null;
    else if (flag === '-netdev') {
      const options = optionsOf(value, 'type');
      netdevs.set(options.id ?? '', netdevOf(options));
    } else if (flag === '-device') {
      const options = optionsOf(value, 'driver');
      if (NIC_DEVICE.test(options.driver ?? '')) devices.push(options);
    } else if (flag === '-nic') {
      const options = optionsOf(value, 'type');
      if (options.type === 'none') continue;
      const model = options.model ?? 'virtio-net-pci';
      nics.push({
        netdev: options.id ?? '',
        model,
        mq: false,
        vectors: null,
        mac: addressOf(options.mac),
        ...netdevOf(options),
      });
    } else if (flag === '-net') {
      const options = optionsOf(value, 'type');
      if (options.type === 'nic') oldNics.push(options);
      else netdevs.set('', netdevOf(options));
    }
  }
  const none = netdevOf({ type: 'none' });
  for (const options of devices) {
    const netdev = options.netdev ?? '';
    nics.push({
      netdev,
      model: options.driver!,
      mq: isOn(options.mq),
      vectors: countOf(options.vectors),
      mac: addressOf(options.mac),
      ...(netdevs.get(netdev) ?? none),
    });
  }
  for (const options of oldNics) {
    const model = options.model ?? 'e1000';
    const mac = addressOf(options.macaddr);
    nics.push({ netdev: '', model, mq: false, vectors: null, mac, ...(netdevs.get('') ?? none) });
  }
  return { name, nics };
}
