/** The target `ethtool`: RSS and flow rules of a NIC. */
import type { BackEnd } from '../back-end.js';
import { checkEthtool } from './check.js';
import { emitEthtool } from './emit.js';
import { parseEthtoolCommands } from './parse.js';

export const ethtool: BackEnd = {
  name: 'ethtool',
  does: 'RSS of a NIC: channels, fields, key, table, flow rules',
  emit: emitEthtool,
  parse: parseEthtoolCommands,
  check: checkEthtool,
  applies: true,
};
