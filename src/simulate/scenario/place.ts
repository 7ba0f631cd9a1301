/**
 * Where in a scenario a mistake is, for errors of parts that do not know it: policies, captures.
 *
 * Promise: the message begins with the path, once; the code stays.
 */
import { UserError } from '../../errors.js';

function withPath(path: string, error: unknown): unknown {
  if (!(error instanceof UserError) || error.message.startsWith(path)) return error;
  return new UserError(`${path}: ${error.message}`, { code: error.code, cause: error });
}

/** Calls; a UserError is thrown with the path in front. */
export function placed<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw withPath(path, error);
  }
}

/** The same for what takes a while. */
export async function placedLater<T>(path: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw withPath(path, error);
  }
}
