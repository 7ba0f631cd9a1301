/**
 * The memory of an owner table, and what it is made for: a table of addresses, then the workers' loads and the owners of
 * ports.
 *
 * Promise: the size depends on the number of guests only, whatever workers and ports are in use; so a table of zeroed
 * memory and one in use by others are attached to alike.
 */
import { PORT_MASK as PORT_FIELD } from '../packet/descriptor.js';
import { addressBytes, initialiseAddresses, secretSeed } from './address-layout.js';

/** Key of owners that hold on every VLAN. */
export const ANY_VLAN = 4095;

/** Workers that the table has room for, whatever is in use: its size then depends on `guests` only. */
export const OWNER_WORKERS_MAX = 1024;
/** Ports, the same: as many as a frame's descriptor can name. */
export const OWNER_PORTS_MAX = PORT_FIELD + 1;

const DEFAULT_AGEING_SECONDS = 300;

/** A guest in the table. */
export interface OwnerEntry {
  /** VLAN id, or `ANY_VLAN`. */
  readonly vlan: number;
  /** MAC as the words of a burst. */
  readonly high: number;
  readonly low: number;
  readonly worker: number;
  /** Port on which it was seen last; -1 for configured owners. */
  readonly port: number;
}

/** Limits of an owner table. */
export interface OwnerLimits {
  /** Workers that may own, at most `OWNER_WORKERS_MAX`. */
  readonly workers: number;
  /** Guests that are remembered at most; slots are twice as many. */
  readonly guests: number;
  /** Guests that one port may bring, so that one sender of forged addresses cannot fill the table. */
  readonly guestsPerPort: number;
  /** Seconds without a frame of its own after which a learned guest is forgotten; default 300, as the switch. */
  readonly ageingSeconds?: number;
  /** Share of each worker in what is placed by load; 0 = nothing is placed there. Absent = all alike. */
  readonly weights?: readonly number[];
  /**
   * A worker that is asked for (the port's) is given only while it owns at most so many times its share of all
   * guests, rounded up; else the least loaded one. Absent = always.
   */
  readonly bound?: number;
  /** The worker whose thread this is, for the lock; default: the control thread. */
  readonly user?: number;
}

/** Bytes of the part that is alike in every table of addresses. */
function tableBytes(guests: number): number {
  return addressBytes({ capacity: guests, ports: OWNER_PORTS_MAX, users: 0 });
}

/** Bytes of shared memory that a table for so many guests needs. */
export function ownerTableBytes(guests: number): number {
  return tableBytes(guests) + 4 * (OWNER_WORKERS_MAX + OWNER_PORTS_MAX + 1);
}

/** The memory as a table, which the first one to attach makes of it. */
export function preparedOwners(shared: SharedArrayBuffer, limits: OwnerLimits): SharedArrayBuffer {
  const needed = ownerTableBytes(limits.guests);
  if (shared.byteLength < needed) {
    throw new RangeError(`owner table needs ${needed} bytes, ${shared.byteLength} are given`);
  }
  initialiseAddresses(shared, {
    capacity: limits.guests,
    ports: OWNER_PORTS_MAX,
    users: 0,
    ageingSeconds: limits.ageingSeconds ?? DEFAULT_AGEING_SECONDS,
    learnLimit: limits.guestsPerPort,
    seed: secretSeed(),
  });
  return shared;
}

/** Loads of the workers; owners of the ports + 1, and behind them how many owners hold on every VLAN. */
export function attachOwners(
  shared: SharedArrayBuffer,
  guests: number,
): { readonly loads: Int32Array; readonly ports: Int32Array } {
  const at = tableBytes(guests);
  return {
    loads: new Int32Array(shared, at, OWNER_WORKERS_MAX),
    ports: new Int32Array(shared, at + 4 * OWNER_WORKERS_MAX, OWNER_PORTS_MAX + 1),
  };
}
