/** Why a control request was turned down though it was well formed: the state of the forwarder does not permit it now. */
export class ConflictError extends Error {
  override readonly name = 'ConflictError';
  readonly code = 'RXS_CONFLICT';
}
