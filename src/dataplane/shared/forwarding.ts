/**
 * Binds the forwarding modes to the data plane: which forwarder a plan asks for, and its shared memory.
 */
import { UserError } from '../../errors.js';
import type { Forwarder } from '../../forward/batch.js';
import { MacControl } from '../../forward/mac-control.js';
import { createMacTable } from '../../forward/mac-layout.js';
import { MacTable } from '../../forward/mac-table.js';
import { Switch } from '../../forward/switch.js';
import { Wire } from '../../forward/wire.js';
import { parseMac } from '../../mac/address.js';
import { secretSeed } from '../../mac/address-layout.js';
import type { EngineMemory } from './engine-memory.js';
import type { EnginePlan } from './plan.js';

/** What the switch is told at the start. */
export interface SwitchingOptions {
  readonly ageingSeconds: number;
  readonly learnLimit: number;
  /** Static entries: they neither move nor age. */
  readonly fdb: readonly { readonly mac: string; readonly vlan: number; readonly port: number }[];
}

/**
 * Addresses that the table holds at least, and at most: between them as many as all ports that there can be may bring, so
 * that the guests of some ports, also of those that are added later, cannot fill it to the loss of others. Memory that
 * nobody touches costs addresses only.
 */
const CAPACITY_LEAST = 4096;
const CAPACITY_MOST = 1 << 18;

/** The mode for so many ports; wire is the default for two and impossible for any other number. */
export function chooseMode(ports: number, asked: 'wire' | 'switch' | undefined): 'wire' | 'switch' {
  if (asked === 'wire' && ports !== 2) {
    throw new UserError(`--mode wire joins exactly two ports, not ${ports}: use --mode switch`);
  }
  return asked ?? (ports === 2 ? 'wire' : 'switch');
}

/** The MAC table of the switch with its static entries, or an empty buffer for a wire. */
export function allocateSwitching(plan: EnginePlan, options: SwitchingOptions): SharedArrayBuffer {
  if (plan.mode === 'wire') return new SharedArrayBuffer(8);
  const ports = plan.room.ports;
  const wanted = plan.room.ports * options.learnLimit + options.fdb.length;
  const memory = createMacTable({
    capacity: Math.min(CAPACITY_MOST, Math.max(CAPACITY_LEAST, wanted)),
    ports,
    users: plan.workers + 1,
    ageingSeconds: options.ageingSeconds,
    learnLimit: options.learnLimit,
    // A secret of this run: guests cannot choose addresses that share a slot.
    seed: secretSeed(),
  });
  const control = new MacControl(memory, plan.workers);
  for (const { mac, vlan, port } of options.fdb) {
    const { high, low } = parseMac(mac, 'fdb');
    if (!control.addStatic(vlan, high, low, port, 1)) {
      throw new UserError(`fdb: no room for ${options.fdb.length} static addresses`);
    }
  }
  return memory;
}

/** What `secondsOf` needs of a thread: between its clock's start and the engine's. */
export function secondsOrigin(plan: EnginePlan): number {
  return performance.timeOrigin - plan.originMs;
}

/** The coarse time that forwarding ages by: the same in every thread. `now` is `performance.now()`. */
export function secondsOf(originMs: number, now: number): number {
  return (1 + (originMs + now) / 1000) | 0;
}

/** That time now. Not for the hot path. */
export function secondsNow(plan: EnginePlan): number {
  return secondsOf(secondsOrigin(plan), performance.now());
}

/** A worker's forwarder over the shared memory. */
export function makeForwarder(plan: EnginePlan, memory: EngineMemory, worker: number): Forwarder {
  return plan.mode === 'wire' ? new Wire() : new Switch(new MacTable(memory.switching, worker));
}
