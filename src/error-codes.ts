/**
 * The codes of all errors that a user can see.
 *
 * Promise: a code is never renamed or given another meaning; new ones may come. `docs/errors.md` has a section for each
 * (a test holds the two against each other). Ground floor: imports nothing.
 */

/** Code, and what is wrong in a few words. */
export const ERROR_CODES = {
  RXS_USAGE: 'a value in the call is not permitted',
  RXS_OPTION: 'an option or argument is unknown, missing or too much',
  RXS_UNKNOWN_NAME: 'there is nothing of that name',
  RXS_INEXPRESSIBLE: 'a target has no words for the policy',
  RXS_UNCHECKABLE: 'what a check needs is not here',
  RXS_POLICY: 'a steering policy contradicts itself, its workers or its ports',
  RXS_NIC_LIMIT: 'the NIC does not have what the policy asks for',
  RXS_PORT: 'a port is not described as ports are',
  RXS_FLOW: 'a text is not a flow',
  RXS_NO_FLOW: 'no flow goes there',
  RXS_CONFIG: 'a configuration file says something that is not permitted',
  RXS_SYNTAX: 'a file is not YAML or JSON',
  RXS_FILE: 'a file cannot be read',
  RXS_OUTPUT: 'a file cannot be written',
  RXS_CAPTURE: 'a file is not a capture, or a damaged one',
  RXS_SWEEP_CONFLICT: 'parts of a sweep contradict each other',
  RXS_SWEEP_INCOMPLETE: 'cells of a sweep have no result',
  RXS_QUEUE: 'the queue of a sweep cannot be used',
  RXS_NO_PACKAGE: 'an optional package is not installed',
  RXS_NO_ADDON: 'the native addon is needed and not there',
  RXS_CAPABILITY: 'a capability is missing',
  RXS_NO_INTERFACE: 'there is no such interface',
  RXS_INTERFACE_DOWN: 'the interface is down',
  RXS_OPEN: 'a port could not be opened',
  RXS_ORDER: 'the order that is promised cannot be kept',
  RXS_MEMORY: 'there is not so much memory',
  RXS_DESCRIPTORS: 'there are too few file descriptors',
  RXS_NO_ROOM: 'what the running forwarder was laid out for is used up',
  RXS_NO_FORWARDER: 'no running forwarder was found',
  RXS_SEVERAL_FORWARDERS: 'several forwarders run',
  RXS_SOCKET: 'the control socket cannot be made or asked',
  RXS_LISTEN: 'an address cannot be listened on',
  RXS_NOT_TRUSTED: 'the other end of the control socket belongs to another user',
  RXS_REQUEST: 'the control socket was asked something that it does not take',
  RXS_CONFLICT: 'the running forwarder cannot do that now',
  RXS_SYSTEM: 'the operating system refused something',
  RXS_INTERRUPTED: 'it was interrupted before it had begun',
  RXS_FAILED: 'it failed while it ran',
} as const;

/** One of `ERROR_CODES`. */
export type ErrorCode = keyof typeof ERROR_CODES;

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code);
}
