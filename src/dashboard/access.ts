/**
 * Who may ask the dashboard what.
 *
 * Promise: the page itself is for everybody who reaches it and says nothing; all else needs the token that the command
 * printed, so that no other user of the machine and no page of another origin gets a figure or changes anything. On loopback
 * the request must name loopback (DNS rebinding); where a browser says from which page a request comes, it must be this one.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isExpectedHost, type ListenAddress } from '../observe/listen.js';

/** A new token: 192 bits, safe in an address. */
export const makeToken = () => randomBytes(24).toString('base64url');

const digest = (text: string) => createHash('sha256').update(text).digest();

/** Compared in a time that tells nothing. */
function isToken(given: string | undefined, token: string): boolean {
  const match = /^Bearer ([\w-]{1,128})$/.exec(given ?? '');
  return match !== null && timingSafeEqual(digest(match[1]!), digest(token));
}

/** Why a request is refused, with its status; null = it is not. @param needsToken false for the page itself */
export function refusal(
  headers: IncomingHttpHeaders,
  address: ListenAddress,
  token: string,
  needsToken: boolean,
): { readonly status: number; readonly error: string } | null {
  if (!isExpectedHost(address, headers.host)) {
    return { status: 403, error: 'the host of the request is not this one' };
  }
  const { origin } = headers;
  if (origin !== undefined && origin !== `http://${headers.host}`) {
    return { status: 403, error: 'the request comes from another page' };
  }
  const site = headers['sec-fetch-site'];
  // The page may be opened from anywhere; its requests come from itself.
  if (needsToken && site !== undefined && site !== 'same-origin') {
    return { status: 403, error: 'the request comes from another page' };
  }
  if (needsToken && !isToken(headers.authorization, token)) {
    return {
      status: 401,
      error: 'the token is missing or wrong: open the address that rxsteer dashboard printed',
    };
  }
  return null;
}
