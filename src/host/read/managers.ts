/**
 * Who manages a host's network settings: what may undo a fix, and what a finding may rest on.
 *
 * Promise: by running processes, and by the few files that say what they do. Files are read only.
 */
import { known } from '../fact.js';
import type { Source } from '../source/source.js';
import type { Process } from './processes.js';

/** What is there. */
export interface Managers {
  /** Arguments of irqbalance; null where it does not run. */
  readonly irqbalance: {
    readonly pid: number;
    readonly words: readonly string[];
    readonly settings: string;
  } | null;
  /** Active profile of tuned; null where it does not run. */
  readonly tuned: string | null;
  readonly networkManager: boolean;
  readonly networkd: boolean;
  readonly kubernetes: boolean;
  readonly docker: boolean;
  /** Intrusion detection and the like, by name. */
  readonly sniffers: readonly string[];
  /** Rules of udev that name queues, affinities or ethtool. */
  readonly udev: readonly string[];
}

const IRQBALANCE_SETTINGS = ['/etc/default/irqbalance', '/etc/sysconfig/irqbalance', '/etc/irqbalance.env'];
const SNIFFERS = /^(suricata|snort|zeek|bro$|Suricata-Main)/i;
const UDEV = '/etc/udev/rules.d';

/** Reads them. */
export function readManagers(source: Source, processes: readonly Process[]): Managers {
  const named = (name: RegExp) => processes.filter((process) => name.test(process.name));
  const [irqbalance] = named(/^irqbalance$/);
  const settings = IRQBALANCE_SETTINGS.map((path) => source.read(path)).filter(known);
  const profile = source.read('/etc/tuned/active_profile');
  const rules = source.list(UDEV);
  return {
    irqbalance:
      irqbalance === undefined
        ? null
        : {
            pid: irqbalance.pid,
            words: irqbalance.words,
            settings: settings
              .join('\n')
              .split('\n')
              .filter((line) => /^\s*[^#\s]/.test(line))
              .join('\n'),
          },
    tuned: named(/^tuned/).length > 0 ? (known(profile) ? profile.trim() : '') : null,
    networkManager: named(/^NetworkManager$/).length > 0,
    networkd: named(/^systemd-network/).length > 0,
    kubernetes: named(/^kubelet$/).length > 0,
    docker: named(/^(dockerd|containerd)$/).length > 0,
    sniffers: [...new Set(named(SNIFFERS).map(({ name }) => name))],
    udev: (known(rules) ? rules : []).filter((name) => {
      const text = name.endsWith('.rules') ? source.read(`${UDEV}/${name}`) : '';
      return known(text) && /rps_cpus|xps_cpus|rps_flow_cnt|smp_affinity|ethtool/.test(text);
    }),
  };
}
