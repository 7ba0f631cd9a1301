/**
 * The freeze list: buckets, guests and flows that no change may move.
 *
 *     3  8-15  02:00:00:00:00:01  udp 10.0.0.1:1000 > 10.0.0.2:53
 *
 * Promise: what is none of these is a UserError that shows it. Pure.
 */
import { UserError } from '../errors.js';
import { formatMac, parseMac } from '../mac/address.js';
import { TABLE_SIZE_MAX } from '../nic/indirection-table.js';
import { flowFrame, parseFlow } from '../packet/flow-text.js';
import { type FlowNames, nameFlows } from './census.js';

/** What must stay on its worker. */
export interface FreezeList {
  readonly buckets: ReadonlySet<number>;
  /** Guests by MAC address, on any VLAN. */
  readonly macs: ReadonlySet<string>;
  /** Flows by their text (`FlowNames.flow`), on any VLAN. */
  readonly flows: ReadonlySet<string>;
}

/** Nothing is frozen. */
export const NOTHING_FROZEN: FreezeList = { buckets: new Set(), macs: new Set(), flows: new Set() };

/** True when nothing is frozen. */
export function isEmpty(freeze: FreezeList): boolean {
  return freeze.buckets.size + freeze.macs.size + freeze.flows.size === 0;
}

/** True for a flow that is frozen, by itself or because it goes to a frozen guest. */
export function isFrozen(freeze: FreezeList, names: FlowNames): boolean {
  return freeze.flows.has(names.flow) || (names.mac !== null && freeze.macs.has(names.mac));
}

/** Guests and flows of the list of which nothing was seen: where they are is not known, so nothing holds them. */
export function unseenOf(freeze: FreezeList, names: readonly FlowNames[]): string[] {
  const macs = new Set(freeze.macs);
  const flows = new Set(freeze.flows);
  for (const { mac, flow } of names) {
    if (mac !== null) macs.delete(mac);
    flows.delete(flow);
  }
  return [...macs, ...flows];
}

/**
 * Parses a list with commas between its parts (or the parts themselves).
 * @param place names where the list stands, for errors. @throws UserError
 */
export function parseFreeze(list: string | readonly string[], place = 'freeze'): FreezeList {
  const parts = (typeof list === 'string' ? list.split(',') : list.flatMap((part) => part.split(',')))
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const buckets = new Set<number>();
  const macs = new Set<string>();
  const flows = new Set<string>();
  for (const part of parts) {
    const range = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part);
    if (range !== null) {
      const first = Number(range[1]);
      const last = Number(range[2] ?? range[1]);
      if (last < first || last >= TABLE_SIZE_MAX) {
        throw new UserError(`${place}: buckets ${part}: expected such as 8-15, up to ${TABLE_SIZE_MAX - 1}`);
      }
      for (let bucket = first; bucket <= last; bucket++) buckets.add(bucket);
    } else if (part.includes('>')) {
      flows.add(canonicalFlow(part, place));
    } else if (/^[0-9a-f]{2}[:-]/i.test(part)) {
      const { high, low } = parseMac(part, place);
      macs.add(formatMac(high, low));
    } else {
      throw new UserError(
        `${place}: "${part}" is neither a bucket (3, 8-15), a MAC address, nor a flow (udp 10.0.0.1:1 > 10.0.0.2:2)`,
      );
    }
  }
  return { buckets, macs, flows };
}

/** The text that a census gives this flow. */
function canonicalFlow(text: string, place: string): string {
  const frame = flowFrame(parseFlow(text, place));
  return nameFlows([{ frame, port: 0, queue: 0, worker: 0, packets: 0 }])[0]!.flow;
}
