/** The paths into a guest, by name. A new one is a file and a line here. */
import type { PathName } from './names.js';
import type { Path } from './path.js';
import { qemuE1000 } from './qemu-e1000.js';
import { qemuVirtio } from './qemu-virtio.js';
import { sriov } from './sriov.js';
import { vhostMacvtap } from './vhost-macvtap.js';
import { vhostScsi } from './vhost-scsi.js';
import { vhostTap } from './vhost-tap.js';
import { vhostUser } from './vhost-user.js';

export const PATHS: Readonly<Record<PathName, Path>> = {
  'qemu-virtio': qemuVirtio,
  'qemu-e1000': qemuE1000,
  'vhost-tap': vhostTap,
  'vhost-macvtap': vhostMacvtap,
  'vhost-user': vhostUser,
  sriov,
  'vhost-scsi': vhostScsi,
};
