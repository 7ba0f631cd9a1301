/**
 * Reading and writing of tar archives.
 *
 * Promise: everything else imports it from here. In the package, this module is the part of `tar` that is used
 * (`scripts/bundle.mjs`): as a dependency it brings five more packages, for what is not used.
 */
export { Header, Parser, Pax, type ReadEntry } from 'tar';
