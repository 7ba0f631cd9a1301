/**
 * zod, for schemas.
 *
 * Promise: everything else imports it from here. In the package, this module is zod itself, the part that is used
 * (`scripts/bundle.mjs`): as a dependency it would be a third of what is installed.
 */
export { z } from 'zod';
