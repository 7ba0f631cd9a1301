/** The sysctls that steering depends on. A file that is not there is an `Unknown`, not a zero. */
import { type Fact, map, unknown } from '../fact.js';
import type { Source } from '../source/source.js';

/** Names with dots for slashes, as sysctl prints them. */
export const SYSCTLS = [
  'net.core.rps_sock_flow_entries',
  'net.core.rps_default_mask',
  'net.core.netdev_max_backlog',
  'net.core.netdev_budget',
  'net.core.netdev_budget_usecs',
  'net.core.flow_limit_cpu_bitmap',
  'net.core.flow_limit_table_len',
  'net.core.netdev_rss_key',
  'net.ipv4.ip_forward',
  'net.bridge.bridge-nf-call-iptables',
  'net.bridge.bridge-nf-call-ip6tables',
  'kernel.numa_balancing',
] as const;

export type SysctlName = (typeof SYSCTLS)[number];

export type Sysctls = Readonly<Record<SysctlName, Fact<string>>>;

/** Where a sysctl lies. */
export function sysctlPath(name: string): string {
  return `/proc/sys/${name.replaceAll('.', '/')}`;
}

/** Reads them all. */
export function readSysctls(source: Source): Sysctls {
  return Object.fromEntries(
    SYSCTLS.map((name) => [name, map(source.read(sysctlPath(name)), (text) => text.trim())]),
  ) as Sysctls;
}

/** A sysctl as a number. */
export function sysctlNumber(sysctls: Sysctls, name: SysctlName): Fact<number> {
  return map(sysctls[name], (text) => {
    const value = Number(text);
    return text === '' || !Number.isFinite(value)
      ? unknown(`${sysctlPath(name)}: "${text}" is no number`)
      : value;
  });
}
