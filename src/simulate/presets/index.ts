/**
 * All presets, in the order in which they are listed.
 *
 * Promise: a new family is a file and a line here.
 */
import { UserError, unknownName } from '../../errors.js';
import { assignment } from './assignment.js';
import { guestIpis } from './guest-ipis.js';
import { haltPolling } from './halt-polling.js';
import { lwnRps } from './lwn-rps.js';
import { multiQueue } from './multi-queue.js';
import { numa } from './numa.js';
import { nvme } from './nvme.js';
import { paths } from './paths.js';
import type { Family, Preset } from './preset.js';
import { rps2010 } from './rps-2010.js';
import { rxsteerLab } from './rxsteer-lab.js';
import { softirq } from './softirq.js';
import { steering } from './steering.js';
import { tapVhost } from './tap-vhost.js';
import { transmitLock } from './transmit-lock.js';
import { vmHost } from './vm-host.js';
import { workers } from './workers.js';

/** All families. */
export const FAMILIES: readonly Family[] = [
  lwnRps,
  rps2010,
  steering,
  softirq,
  transmitLock,
  vmHost,
  paths,
  numa,
  multiQueue,
  tapVhost,
  workers,
  guestIpis,
  haltPolling,
  assignment,
  nvme,
  rxsteerLab,
];

/** All presets. */
export function presets(): Preset[] {
  return FAMILIES.flatMap((family) =>
    Object.entries(family.presets).map(([own, scenario]) => {
      const name = `${family.name}/${own}`;
      return { name, family: family.name, about: scenario.about, scenario: { name, ...scenario } };
    }),
  );
}

/** Whether a preset or a family has that name. */
export function isPresetName(name: string): boolean {
  return presets().some((preset) => preset.name === name || preset.family === name);
}

/** The preset of that name. @throws UserError for one that does not exist */
export function presetNamed(name: string): Preset {
  const all = presets();
  const found = all.find((preset) => preset.name === name);
  if (found !== undefined) return found;
  const family = FAMILIES.find((one) => one.name === name);
  if (family !== undefined) {
    const names = Object.keys(family.presets).map((own) => `${name}/${own}`);
    throw new UserError(`${name} is a family of presets, name one: ${names.join(', ')}`, {
      code: 'RXS_UNKNOWN_NAME',
    });
  }
  throw unknownName(
    'preset',
    name,
    all.map((preset) => preset.name),
  );
}
