/**
 * The way out of an AF_PACKET port, decided once, when the port is opened.
 *
 * Promise: on every path but one that says so (`orderLost`), all frames of a flow enter one queue, in the order in
 * which they are sent, whatever worker sends them and whatever kind of frame it is (plain, partial checksum,
 * super-frame). "Sent" means handed to the device here, so this is what makes order hold at the far end.
 *
 * - `direct`: the device has one transmit queue and no queueing discipline. AF_XDP while all frames are plain, a bypassing
 *   packet socket from the first other one on; both put the frame into that queue before their call returns.
 * - `queued`: through the queueing discipline (`dev_queue_xmit`). With several transmit queues the kernel chooses by
 *   the flow's hash (`netdev_pick_tx`, `skb_tx_hash`), which does not depend on the CPU. A shaper is obeyed.
 * - `af_xdp`: where XPS maps several queues to CPUs the kernel's choice follows the worker. An AF_XDP socket names its
 *   queue, so everything goes through one of queue 0; checksums and super-frames are finished in software.
 * - `bypass`: asked for (`bypass=on`): as `direct`, past whatever queueing discipline there is. With several queues the
 *   kernel takes that of the sending CPU (`packet_pick_tx_queue`), and order is lost.
 *
 * Pure, but for `readXps`, which reads sysfs and never throws. Main thread only.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { LinkInfo } from '../../../addon/native.js';

export const TRANSMIT_PATHS = ['direct', 'queued', 'af_xdp', 'bypass'] as const;
/** One of `TRANSMIT_PATHS`. */
export type TransmitPath = (typeof TRANSMIT_PATHS)[number];
/** The path in a port's word of shared memory; senders keep a bit beside it (kMixed in native/ports/packet_tx.cc). */
export const PATH_MASK = 0xff;

/** What was decided, and what the user should know of it. */
export interface TransmitChoice {
  readonly path: TransmitPath;
  /** Why a flow's order is lost on this path; empty where it is kept. */
  readonly orderLost: string;
  /** One line for the user, or empty. */
  readonly warning: string;
}

/** What the choice depends on. */
export interface TransmitFacts {
  readonly link: Pick<LinkInfo, 'name' | 'txQueues' | 'qdisc'>;
  /** Device (this one or one below it) of several transmit queues that XPS maps to CPUs or receive queues; null = none. */
  readonly xps: string | null;
  /** `bypass=on`. */
  readonly bypass: boolean;
  /** An AF_XDP socket can be had. */
  readonly xsk: boolean;
}

/** Queueing disciplines that delay or drop by intent: everything but those that a device gets by itself. */
const BY_ITSELF = new Set(['', 'noqueue', 'mq', 'pfifo_fast', 'fq_codel', 'fq', 'pfifo', 'noop']);

/** True where frames wait in a queueing discipline before the device has them. */
export function queues(qdisc: string): boolean {
  return qdisc !== 'noqueue' && qdisc !== '';
}

/** Decides. */
export function chooseTransmit({ link, xps, bypass, xsk }: TransmitFacts): TransmitChoice {
  const { name, txQueues, qdisc } = link;
  const queueing = queues(qdisc);
  if (bypass && (queueing || txQueues > 1)) {
    const past = queueing ? `the queueing discipline ${qdisc} of ${name} is bypassed` : '';
    const orderLost = txQueues > 1 ? `bypass=on: ${name} has ${txQueues} transmit queues, taken by CPU` : '';
    return { path: 'bypass', orderLost, warning: past };
  }
  if (xps !== null && (txQueues > 1 || xps !== name)) {
    const why = `XPS of ${xps} chooses transmit queues by CPU, so that a flow's queue follows its worker`;
    const cure = `clear it (for f in /sys/class/net/${xps}/queues/tx-*/xps_cpus; do echo 0 > $f; done)`;
    if (xps === name && xsk && !shapes(qdisc)) {
      const past = queueing ? `, past the queueing discipline ${qdisc}` : '';
      const warning = `${why}: all frames leave through AF_XDP on queue 0${past}; for all queues and offloads ${cure}`;
      return { path: 'af_xdp', orderLost: '', warning };
    }
    return { path: 'queued', orderLost: `${why}; ${cure}`, warning: '' };
  }
  return { path: queueing || txQueues > 1 ? 'queued' : 'direct', orderLost: '', warning: '' };
}

function shapes(qdisc: string): boolean {
  return !BY_ITSELF.has(qdisc);
}

/**
 * The first device of several transmit queues, `link` or one that it passes its frames on to, on which XPS is set; null
 * where there is none or sysfs does not show this network namespace.
 * Source: Documentation/networking/scaling.rst, `get_xps_queue`.
 */
export function readXps(link: Pick<LinkInfo, 'name' | 'index'>, root = '/sys/class/net'): string | null {
  if (word(`${root}/${link.name}/ifindex`) !== `${link.index}`) return null;
  const seen = new Set<string>();
  const todo = [link.name];
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const queues = list(`${root}/${name}/queues`).filter((entry) => entry.startsWith('tx-'));
    const mapped = (queue: string) =>
      ['xps_cpus', 'xps_rxqs'].some((file) =>
        /[1-9a-f]/.test(word(`${root}/${name}/queues/${queue}/${file}`)),
      );
    if (queues.length > 1 && queues.some(mapped)) return name;
    for (const entry of list(`${root}/${name}`)) {
      if (entry.startsWith('lower_')) todo.push(entry.slice('lower_'.length));
    }
  }
  return null;
}

function word(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
