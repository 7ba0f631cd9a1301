/**
 * Less memory for a program that runs for a moment: V8 is told neither to optimise nor to let its young generation grow.
 *
 * Promise: for the process of a command that reads and ends, before its modules are loaded; never for one that forwards,
 * computes or is a library. It costs no time there: what runs for a second is over before it is optimised. The flags are ones
 * that V8 looks at whenever it decides; what a version does not know it passes over.
 */
import { setFlagsFromString } from 'node:v8';

const FLAGS = ['--semi-space-growth-factor=1', '--no-opt', '--no-sparkplug', '--no-maglev'];

for (const flag of FLAGS) setFlagsFromString(flag);
