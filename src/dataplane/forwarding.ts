/**
 * Binds the forwarding modes to the data plane: which forwarder a plan asks for, and its shared memory.
 */
import { UserError } from '../errors.js';
import { createMacTable } from '../forward/mac-layout.js';
import { MacTable } from '../forward/mac-table.js';
import { Switch } from '../forward/switch.js';
import { Wire } from '../forward/wire.js';
import type { Forwarder } from '../forward/work.js';
import type { EngineMemory, EnginePlan } from './shared.js';

/** The mode for so many ports; wire is the default for two and impossible for any other number. */
export function chooseMode(ports: number, asked: 'wire' | 'switch' | undefined): 'wire' | 'switch' {
  if (asked === 'wire' && ports !== 2) {
    throw new UserError(`--mode wire joins exactly two ports, not ${ports}: use --mode switch`);
  }
  return asked ?? (ports === 2 ? 'wire' : 'switch');
}

/** The MAC table of the switch, or an empty buffer for a wire. */
export function allocateSwitching(
  mode: 'wire' | 'switch',
  options: Parameters<typeof createMacTable>[0],
): SharedArrayBuffer {
  return mode === 'switch' ? createMacTable(options) : new SharedArrayBuffer(8);
}

/** A worker's forwarder over the shared memory. */
export function makeForwarder(plan: EnginePlan, memory: EngineMemory): Forwarder {
  return plan.mode === 'wire' ? new Wire() : new Switch(new MacTable(memory.switching));
}
