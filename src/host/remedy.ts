/**
 * What cures a finding: commands, what takes them back, and the form that survives a reboot.
 *
 * Promise: names and values are quoted for the shell, whatever is in them, since collections and the command lines of other
 * users' processes are somebody else's; a command is one line without control characters. The undo sets what was read.
 * Nothing is run. What a command would do to the facts stands beside it (`effects`), for who asks what it would bring.
 * Pure.
 */
import { hasControl, printable } from '../errors.js';
import type { Effect } from './effects.js';
import * as effects from './effects.js';
import type { Device } from './host.js';
import { formatCpuList, formatCpuMask } from './lists.js';

/** Commands of a shell, in their order. */
export interface Remedy {
  readonly fix: readonly string[];
  readonly undo: readonly string[];
  /** Lines for files, each with the file's name in front as a comment. */
  readonly persistent: readonly string[];
  /** What the fix makes of the host; absent: nothing that a fact tells, or nobody has written it down. */
  readonly effects?: readonly Effect[];
}

export const NO_REMEDY: Remedy = { fix: [], undo: [], persistent: [] };

/** Octal escapes of `printf %b`, byte by byte. */
function escaped(word: string): string {
  const byte = (value: number) => `\\0${value.toString(8).padStart(3, '0')}`;
  return [...Buffer.from(word)]
    .map((value) =>
      /[\w@%+=:,./-]/.test(String.fromCharCode(value)) ? String.fromCharCode(value) : byte(value),
    )
    .join('');
}

/** Words as one word of a shell, of one line that does nothing to a terminal. */
export function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (hasControl(word)) return `"$(printf %b '${escaped(word)}')"`;
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** Names that mean themselves in the files of udev and systemd: what has other characters is a pattern there, or ends a text. */
const isPlain = (device: string) => /^[\w.@-]+$/.test(device);

/** Several remedies one after the other; what is undone last was done first. */
export function all(...remedies: readonly Remedy[]): Remedy {
  return {
    fix: remedies.flatMap(({ fix }) => fix),
    undo: remedies.flatMap(({ undo }) => undo).reverse(),
    persistent: [...new Set(remedies.flatMap(({ persistent }) => persistent))],
    effects: remedies.flatMap(({ effects: own = [] }) => own),
  };
}

/** Advice that is no command: a comment of the shell. */
export function advice(...lines: readonly string[]): Remedy {
  return { ...NO_REMEDY, fix: lines.map((line) => `# ${printable(line)}`) };
}

/** A rule of udev; none for names that would say something else there. */
const udev = (device: string, what: string): string[] =>
  isPlain(device)
    ? [
        `/etc/udev/rules.d/90-steering.rules: ACTION=="add|change", SUBSYSTEM=="net", KERNEL=="${device}", ${what}`,
      ]
    : [];

/** Sets a file of a device's queue. */
function queueFile(device: string, file: string, value: string, was: string): Remedy {
  const path = quoted(`/sys/class/net/${device}/queues/${file}`);
  return {
    fix: [`echo ${quoted(value)} > ${path}`],
    undo: [`echo ${quoted(was)} > ${path}`],
    persistent: udev(device, `ATTR{queues/${file}}="${value}"`),
  };
}

/** RPS of a queue. */
export function setRps(
  device: string,
  queue: number,
  cpus: readonly number[],
  was: readonly number[],
): Remedy {
  return {
    ...queueFile(device, `rx-${queue}/rps_cpus`, formatCpuMask(cpus), formatCpuMask(was)),
    effects: [effects.rps(device, queue, cpus)],
  };
}

/** XPS of a queue. */
export function setXps(
  device: string,
  queue: number,
  cpus: readonly number[],
  was: readonly number[],
): Remedy {
  return {
    ...queueFile(device, `tx-${queue}/xps_cpus`, formatCpuMask(cpus), formatCpuMask(was)),
    effects: [effects.xps(device, queue, cpus)],
  };
}

/** Flow table of a queue. */
export function setFlows(device: string, queue: number, entries: number, was: number): Remedy {
  return queueFile(device, `rx-${queue}/rps_flow_cnt`, `${entries}`, `${was}`);
}

/** A file of the device itself. */
export function setAttribute(device: string, file: string, value: string, was: string): Remedy {
  const path = quoted(`/sys/class/net/${device}/${file}`);
  return {
    fix: [`echo ${quoted(value)} > ${path}`],
    undo: [`echo ${quoted(was)} > ${path}`],
    persistent: udev(device, `ATTR{${file}}="${value}"`),
  };
}

/** A sysctl. */
export function setSysctl(name: string, value: string | number, was: string | number): Remedy {
  return {
    fix: [`sysctl -w ${quoted(`${name}=${value}`)}`],
    undo: [`sysctl -w ${quoted(`${name}=${was}`)}`],
    persistent: [`/etc/sysctl.d/90-steering.conf: ${name} = ${value}`],
  };
}

/** An ethtool command: `-K`, `ntuple on`. @param was the words that take it back; null: see `undo` */
export function ethtool(flag: string, device: string, words: string, was: string | null): Remedy {
  const line = (given: string) => ['ethtool', flag, ...[device, ...given.split(' ')].map(quoted)].join(' ');
  return {
    fix: [line(words)],
    undo: was === null ? [] : [line(was)],
    persistent: udev(device, `RUN+="/usr/sbin/ethtool ${flag} $name ${words}"`),
  };
}

/** The number of channels, in the form of systemd too. */
export function setChannels(device: string, kind: 'combined' | 'rx', count: number, was: number): Remedy {
  const key = kind === 'combined' ? 'CombinedChannels' : 'RxChannels';
  return {
    ...ethtool('-L', device, `${kind} ${count}`, `${kind} ${was}`),
    effects: [effects.channels(device, kind, count)],
    persistent: isPlain(device)
      ? [`/etc/systemd/network/10-${device}.link: [Match] OriginalName=${device} [Link] ${key}=${count}`]
      : [],
  };
}

/** The same number of buckets for each of the first queues. @param was buckets as they were, in ethtool's words */
export function setTable(device: string, queues: number, was: string | null): Remedy {
  return { ...ethtool('-X', device, `equal ${queues}`, was), effects: [effects.table(device, queues)] };
}

/** The length of a receive ring. */
export function setRing(device: string, rx: number, was: number): Remedy {
  return { ...ethtool('-G', device, `rx ${rx}`, `rx ${was}`), effects: [effects.ring(device, rx)] };
}

/** Where an interrupt goes. Numbers change from boot to boot, so the persistent form looks for the name. */
export function setAffinity(
  irq: number,
  action: string,
  cpus: readonly number[],
  was: readonly number[],
): Remedy {
  const find = `$(awk -v name=${quoted(action)} '$NF == name {print $1 + 0}' /proc/interrupts)`;
  return {
    fix: [`echo ${formatCpuList(cpus)} > /proc/irq/${irq}/smp_affinity_list`],
    undo: [`echo ${formatCpuList(was)} > /proc/irq/${irq}/smp_affinity_list`],
    persistent: [
      `a oneshot unit of systemd, after the driver: echo ${formatCpuList(cpus)} > /proc/irq/${find}/smp_affinity_list`,
    ],
    effects: [effects.affinity(irq, cpus)],
  };
}

/** CPUs that a thread may use. */
export function pinThread(tid: number, cpus: readonly number[], was: readonly number[]): Remedy {
  return {
    fix: [`taskset -pc ${formatCpuList(cpus)} ${tid}`],
    undo: [`taskset -pc ${formatCpuList(was)} ${tid}`],
    persistent: [],
    effects: [effects.pin(tid, cpus)],
  };
}

/** A rule that sends a guest's frames to one queue. @param location a free one, so that it can be taken back */
export function ruleByMac(device: Device, mac: string, queue: number, location: number): Remedy {
  const rule = `flow-type ether dst ${mac} action ${queue} loc ${location}`;
  return {
    ...ethtool('-N', device.name, rule, `delete ${location}`),
    effects: [effects.rule(device.name, { location, queue, words: rule })],
  };
}
