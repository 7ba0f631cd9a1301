/**
 * Names of interrupts: which device's, which queue's.
 *
 * Promise: the names that drivers of Linux give; a name that says nothing of a queue (control, mailbox, flow director)
 * is no data interrupt. Pure.
 *
 * Source: `request_irq` and `irq_update_affinity_hint` calls of drivers/net, 3.x to 6.18.
 */

/** What a name says. */
export interface IrqRole {
  /** `both` for a pair of queues served together. */
  readonly type: 'rx' | 'tx' | 'both';
  readonly queue: number;
}

const FORMS: readonly (readonly [form: RegExp, type: IrqRole['type']])[] = [
  [/-TxRx-(\d+)$/i, 'both'],
  [/-Tx-Rx-(\d+)$/i, 'both'],
  [/-rx-?tx-?(\d+)$/i, 'both'],
  [/-rx-?(\d+)$/i, 'rx'],
  [/-tx-?(\d+)$/i, 'tx'],
  [/-fp-(\d+)$/, 'both'],
  [/^mlx4-(?:en-)?(\d+)(?:@.*)?$/, 'both'],
  [/^mlx5_comp(\d+)(?:@.*)?$/, 'both'],
  [/^mana_q(\d+)(?:@.*)?$/, 'both'],
  [/-input\.(\d+)$/, 'rx'],
  [/-output\.(\d+)$/, 'tx'],
  [/-q(\d+)-rx$/, 'rx'],
  [/-q(\d+)-tx$/, 'tx'],
  [/-q(\d+)$/, 'both'],
  [/-ntfy-block\.(\d+)(?:@.*)?$/, 'both'],
  [/-queue-?(\d+)$/i, 'both'],
  [/-(\d+)$/, 'both'],
];
/** One interrupt for all queues. */
const ALL = /-(virtqueues|input|rx|rxtx)$/;
const CONTROL =
  /:fdir-|fdir|-async|async@|async\d*$|mailbox|-mbx|-config$|hwc|-control|-misc|-mgmnt|-slow|-other|-lsc$|cmd@|-event$/i;

/** What the name of a device's interrupt says of a queue; null for control interrupts. @param device its name */
export function irqRole(name: string, device: string): IrqRole | null {
  if (CONTROL.test(name)) return null;
  for (const [form, type] of FORMS) {
    const match = form.exec(name);
    if (match === null) continue;
    // `eth-0`: a device whose own name ends with a number and that has one interrupt.
    if (name === device) break;
    return { type, queue: Number(match[1]) };
  }
  return name === device || ALL.test(name) ? { type: 'both', queue: 0 } : null;
}

/** Whether a name is one of the device's. @param owner `virtio2` where the device is virtio's, else null */
export function isOfDevice(name: string, device: string, owner: string | null): boolean {
  if (owner !== null && (name === owner || name.startsWith(`${owner}-`))) return true;
  return name === device || (name.startsWith(device) && /^[-:@.]/.test(name.slice(device.length)));
}
