/** Why a file could not be read, in words. */
import { type Unknown, unknown } from '../fact.js';

/** The reason of a failed system call. ENOENT and ENODEV may also mean that the thing went meanwhile. */
export function faultOf(error: unknown, path: string): Unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return unknown(`${path}: not there`, 'absent');
  if (code === 'EACCES' || code === 'EPERM') return unknown(`no right to read ${path}`, 'denied');
  if (code === 'ENODEV' || code === 'ESRCH') return unknown(`${path}: went meanwhile`, 'absent');
  return unknown(`${path}: ${code ?? (error as Error).message}`);
}
