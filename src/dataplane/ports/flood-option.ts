/** The option `flood=`, of every port that somebody else's frames may come from. Promise: data only. */
import { type NumberOption, optionalNumber } from './options.js';

/** Copies a second that floods of frames from the port may cost; 0 = no limit, null = the default (`FLOOD_RATE`). */
export const floodOption: NumberOption<null> = optionalNumber({
  ...{ least: 0, most: 1_000_000_000, rare: true },
  does: 'copies a second that broadcasts, multicasts and frames to unknown addresses from it may cost; 0: no limit',
});
