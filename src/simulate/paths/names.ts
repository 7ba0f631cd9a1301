/** Names of the paths into a guest; `paths/index.ts` has what they stand for. */
export const PATH_NAMES = [
  'qemu-virtio',
  'qemu-e1000',
  'vhost-tap',
  'vhost-macvtap',
  'vhost-user',
  'sriov',
  'vhost-scsi',
] as const;
/** One of `PATH_NAMES`. */
export type PathName = (typeof PATH_NAMES)[number];
