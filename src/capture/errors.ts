/** Errors about captures, with their codes. */
import { UserError } from '../errors.js';

/** What is read is no capture, or one that cannot be read. */
export const captureError = (message: string) => new UserError(message, { code: 'RXS_CAPTURE' });

/** What shall be written cannot be. */
export const outputError = (message: string) => new UserError(message, { code: 'RXS_OUTPUT' });
