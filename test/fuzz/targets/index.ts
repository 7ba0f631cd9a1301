/** All targets that need no privileges. */
import type { FuzzTarget } from '../driver.js';
import { ethtoolReplies, netlinkReplies } from './answers.js';
import { captures } from './captures.js';
import { control } from './control.js';
import { frames } from './frames.js';
import { policyFiles, policyStrings } from './policies.js';
import { segments } from './segments.js';
import { configs, ethtoolTexts, texts } from './texts.js';
import { vhostMessages } from './vhost.js';

export const TARGETS: readonly FuzzTarget[] = [
  frames,
  segments,
  captures,
  policyStrings,
  policyFiles,
  ethtoolTexts,
  configs,
  texts,
  control,
  netlinkReplies,
  ethtoolReplies,
  vhostMessages,
];
