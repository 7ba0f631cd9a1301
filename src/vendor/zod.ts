/**
 * zod, for schemas.
 *
 * Promise: everything else imports it from here. In what is built, this module is zod itself, the part that is used
 * (`scripts/vendor.mjs`): its hundred files would take a fifth of a second at each start, and as a dependency it would
 * be a third of what is installed.
 */
export { z } from 'zod';
