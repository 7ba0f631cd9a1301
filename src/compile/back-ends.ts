/** The list of back ends: a new one is a folder and a line here. Each is loaded when it is asked for. */
import { unknownName } from '../errors.js';
import { type BackEnd, TARGETS, type Target } from './back-end.js';

const LOADERS: Readonly<Record<Target, () => Promise<BackEnd>>> = {
  sysfs: async () => (await import('./sysfs/index.js')).sysfs,
  bpf: async () => (await import('./bpf/index.js')).bpf,
  ethtool: async () => (await import('./ethtool/index.js')).ethtool,
  libvirt: async () => (await import('./libvirt/index.js')).libvirt,
  ovs: async () => (await import('./ovs/index.js')).ovs,
  xdp: async () => (await import('./xdp/index.js')).xdp,
  tc: async () => (await import('./tc/index.js')).tc,
  testpmd: async () => (await import('./testpmd/index.js')).testpmd,
};

/** Names of the targets that there are. */
export const TARGET_NAMES: readonly Target[] = TARGETS;

/** A back end by its name. @throws UserError */
export async function backEnd(name: string): Promise<BackEnd> {
  const load = (LOADERS as Readonly<Record<string, () => Promise<BackEnd>>>)[name];
  if (load === undefined || !Object.hasOwn(LOADERS, name)) throw unknownName('target', name, TARGET_NAMES);
  return load();
}
