/** The interface of a port that others made. Main thread. */
import type { LinkInfo, Native } from '../../../addon/native.js';
import { UserError } from '../../../errors.js';

/** It, which must be there and up. @throws UserError */
export function usableLink(
  { name, interface: device }: { readonly name: string; readonly interface: string },
  native: Native,
): LinkInfo {
  const link = native.linkInfo(device);
  if (link === null) {
    throw new UserError(`--port ${name}: there is no interface "${device}"`, { code: 'RXS_NO_INTERFACE' });
  }
  if (!link.up) {
    throw new UserError(`--port ${name}: interface ${device} is down (ip link set ${device} up)`, {
      code: 'RXS_INTERFACE_DOWN',
    });
  }
  return link;
}
