/** The parts of a configuration that a change replaces. */
import type { Steering } from '../../policy/steering.js';
import type { LiveConfig } from '../shared/config.js';

export interface ConfigChange
  extends Partial<Pick<LiveConfig, 'plan' | 'memory' | 'steering' | 'table' | 'span' | 'fence'>> {
  /** The steering as the main thread compiled it. */
  readonly compiled?: Steering;
}
