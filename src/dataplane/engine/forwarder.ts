/**
 * A forwarder in one call, for programs: ports and policy as the command line writes them, everything else as there.
 *
 * Promise: whatever is wrong with the settings is a UserError of one line before any port is opened.
 */
import { UserError } from '../../errors.js';
import { defaultWorkers } from '../../policy/compile.js';
import { parsePolicy } from '../../policy/parse.js';
import { parsePort } from '../ports/port-spec.js';
import { checkLimit } from '../shared/limits.js';
import { Engine } from './engine.js';
import { type EngineOptions, engineDefaults } from './plan.js';

/** What a forwarder is to do: ports, and whatever differs from the defaults (`engineDefaults`). */
export interface ForwarderSettings extends Partial<Omit<EngineOptions, 'ports' | 'policy' | 'policyText'>> {
  /** As after `--port`: `eth=af_packet:eth0`, `in=memory:source,flows=64`. Two make a wire, more a switch. */
  readonly ports: readonly string[];
  /** As after `--policy`, or its object form. Default `rss`. */
  readonly policy?: string | Readonly<Record<string, unknown>>;
}

const OTHERS: readonly string[] = [
  ...Object.keys(engineDefaults),
  ...['ports', 'policy', 'mode', 'workers', 'maxWorkers', 'orderLimits', 'watches', 'warmUp'],
];

/**
 * Starts a forwarder and resolves when all its workers run. Without `workers` there are as many as the policy names.
 *
 * @throws UserError for settings that are wrong, and for what keeps a port from opening (privileges, no such
 * interface, no native layer).
 */
export async function startForwarder(settings: ForwarderSettings): Promise<Engine> {
  for (const name of Object.keys(settings)) {
    if (!OTHERS.includes(name)) {
      throw new UserError(`startForwarder: unknown setting "${name}": known: ${OTHERS.join(', ')}`);
    }
  }
  const { ports, policy: given = 'rss', workers, ...others } = settings;
  if (!Array.isArray(ports) || ports.length < 2) {
    throw new UserError(
      "startForwarder: ports: at least two are needed, as in ['a=tap:a', 'b=af_packet:eth0']",
    );
  }
  if (workers !== undefined) checkLimit('workers', workers);
  const policy = parsePolicy(given, { command: 'forward', ...(workers === undefined ? {} : { workers }) });
  return await Engine.start({
    ...engineDefaults,
    ...others,
    ports: ports.map((port) => parsePort(String(port))),
    policy,
    policyText: typeof given === 'string' ? given : JSON.stringify(given),
    workers: workers ?? defaultWorkers(policy),
  });
}
