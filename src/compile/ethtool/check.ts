/**
 * Holds what is set on a NIC now against the policy: table, key, fields and function, as the kernel tells them.
 *
 * Promise: reads only. The policy that is read back decides over the same packets.
 */
import { type Fact, known } from '../../host/fact.js';
import { nicRss } from '../../host/nic-rss.js';
import { compilePolicy } from '../../policy/compile.js';
import { parsePolicy } from '../../policy/parse.js';
import { agreement } from '../agreement.js';
import { type Check, type Compiled, type Request, Uncheckable } from '../back-end.js';

const TARGET = 'ethtool';

/** The check of the target. @throws Uncheckable */
export async function checkEthtool(request: Request, _: Compiled, packets: number): Promise<Check> {
  const { spec, steering, now } = request;
  if (now === null) throw new Uncheckable(TARGET, 'what is set is read from a device: give --dev DEV');
  if (spec.policy === 'mac')
    throw new Uncheckable(TARGET, 'what rules match is not read back: ethtool -n shows it');
  const found: Fact<Record<string, unknown>> = nicRss(now);
  if (!known(found)) throw new Uncheckable(TARGET, found.unknown);
  const nic = spec.policy === 'rss' ? { nic: spec.nic } : {};
  const back = compilePolicy(parsePolicy({ ...found, ...nic }), { workers: steering.workers });
  return agreement(
    spec,
    steering,
    back,
    packets,
    `what ${now.name} has set now, over random and hostile packets`,
  );
}
