/**
 * What the doctor says that its commands make of a host is what they make of it: each check's broken host is read again
 * after the printed commands ran, and both give one model. The commands are run by a host of texts, which shares no code
 * with the effects.
 */
import { describe, expect, it } from 'vitest';
import { examine } from '#rxsteer/host/doctor.js';
import { after } from '#rxsteer/host/effects.js';
import { known } from '#rxsteer/host/fact.js';
import type { Host } from '#rxsteer/host/host.js';
import { nics } from '#rxsteer/host/view.js';
import { modelOf } from '#rxsteer/what-if/scenario.js';
import { CASES } from '../host/cases.js';
import { FakeHost } from '../host/fake-host.js';

function models(host: Host) {
  return nics(host).map((device) => {
    const model = modelOf(host, device);
    return known(model) ? { ...model, assumed: null } : model;
  });
}

/** Checks whose commands change what is simulated. */
const CHANGING = [
  'rps-on-rss',
  'rps-wanted',
  'rps-remote',
  'channels-low',
  'irq-pileup',
  'irq-remote',
  'xps-hole',
  'vm-flow-steering',
];

describe('the effects of a fix', () => {
  it('are those of its commands', async () => {
    const changing: string[] = [];
    for (const [id, { machine, bare, breaks, cures }] of Object.entries(CASES)) {
      if (cures !== undefined) continue;
      const made = new FakeHost(machine?.cpus, machine?.nodes, machine?.smt);
      if (bare !== true) made.nic('eth0');
      breaks(made);
      const host = await made.read();
      const one = examine(host).curable.find(({ finding }) => finding.id === id);
      if (one === undefined) continue;
      made.apply(one.finding.fix);
      const predicted = models(after(host, one.effects));
      expect(models(await made.read()), id).toEqual(predicted);
      if (JSON.stringify(predicted) !== JSON.stringify(models(host))) changing.push(id);
    }
    expect(changing).toEqual(expect.arrayContaining(CHANGING));
  });
});
