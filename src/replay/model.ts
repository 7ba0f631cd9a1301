/**
 * The service-time model of virtual time: what a packet costs, and how much may wait.
 *
 * Promise: plain numbers, the same for every policy; the defaults are round figures of the size that software
 * forwarding costs on one core, not a measurement of any machine. What results from them is for comparing policies.
 */
import { UserError, unknownName } from '../errors.js';

/** Costs in nanoseconds. */
export interface ServiceModel {
  /** Receiving a packet: driver, header parsing, hash. Paid by the worker that polls the queue. */
  readonly receiveNs: number;
  /** Handing a packet to another worker's backlog. Paid by the worker that received it. */
  readonly handoffNs: number;
  /** From the wake-up of an idle worker to its first packet. */
  readonly wakeupNs: number;
  /** Processing: for each packet, and for each byte on the wire. */
  readonly packetNs: number;
  readonly byteNs: number;
  /** Packets that may wait in a receive queue or backlog (Linux: `netdev_max_backlog`). */
  readonly backlog: number;
}

/** What holds where nothing is said. */
export const DEFAULT_MODEL: ServiceModel = {
  receiveNs: 150,
  handoffNs: 50,
  wakeupNs: 2000,
  packetNs: 600,
  byteNs: 0.1,
  backlog: 1000,
};

const KEYS: Readonly<Record<string, keyof ServiceModel>> = {
  receive: 'receiveNs',
  handoff: 'handoffNs',
  wakeup: 'wakeupNs',
  packet: 'packetNs',
  byte: 'byteNs',
  backlog: 'backlog',
};

const NANOSECONDS_MAX = 1e9;
const BACKLOG_MAX = 1 << 20;

/**
 * The model of `packet=800,byte=0.2`; what is not named keeps its default.
 * @throws UserError
 */
export function parseModel(text: string): ServiceModel {
  const model = { ...DEFAULT_MODEL };
  for (const pair of text.split(',')) {
    const [key = '', value = ''] = pair.split('=').map((part) => part.trim());
    const field = Object.hasOwn(KEYS, key) ? KEYS[key]! : null;
    if (field === null) throw unknownName('key of --model', key, Object.keys(KEYS));
    const number = /^\d{1,10}(\.\d{1,6})?$/.test(value) ? Number(value) : Number.NaN;
    const isCount = field === 'backlog';
    const fits = isCount
      ? Number.isInteger(number) && number >= 1 && number <= BACKLOG_MAX
      : number <= NANOSECONDS_MAX;
    if (!fits) {
      const range = isCount ? `packets, 1 to ${BACKLOG_MAX}` : `nanoseconds, 0 to ${NANOSECONDS_MAX}`;
      throw new UserError(`--model: ${key}=${value}: expected ${range}`);
    }
    model[field] = number;
  }
  return model;
}

/** The model in words, one line. */
export function describeModel(model: ServiceModel, clock: { speed: number; gapNs: number }): string {
  const time =
    clock.gapNs > 0
      ? `a packet every ${clock.gapNs / 1000} us`
      : `the capture's clock${clock.speed === 1 ? '' : ` at ${clock.speed} times its speed`}`;
  return (
    `${time}; receiving ${model.receiveNs} ns, hand-off ${model.handoffNs} ns, wake-up of an idle worker ${model.wakeupNs} ns, ` +
    `processing ${model.packetNs} ns a packet and ${model.byteNs} ns a byte; queues of ${model.backlog} packets`
  );
}
