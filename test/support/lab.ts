/**
 * A lab: network namespaces, links and processes of one test, and their removal whatever happens.
 *
 * Promise: names are `rxt-PID-N`, so that nothing of anyone else's is ever touched; all links live inside such
 * namespaces and go with them. `close` (call it in `finally`, or use `withLab`) stops the processes and deletes
 * the namespaces; should the test process end without it, its exit hook does; should it be killed, the next lab
 * sweeps what dead PIDs left. IPv6 is off unless asked for, so that no neighbour discovery disturbs exact counts.
 */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { promisify } from 'node:util';
import { Process } from './processes.js';

const run = promisify(execFile);
const PREFIX = 'rxt';

/** Why tests with namespaces cannot run here, or '' when they can. */
export function whyNotPrivileged(): string {
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid?.() !== 0) return 'needs root (network namespaces)';
  if (spawnSync('ip', ['-V']).status !== 0) return 'needs ip (iproute2)';
  const probe = `${PREFIX}-${process.pid}-probe`;
  const made = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' });
  if (made.status !== 0) return `cannot make a network namespace: ${made.stderr.trim()}`;
  spawnSync('ip', ['netns', 'del', probe]);
  return '';
}

let reason: string | undefined;

/** True where tests with namespaces can run; says once on standard error why not. For `describe.skipIf(!privileged())`. */
export function privileged(): boolean {
  if (reason === undefined) {
    reason = whyNotPrivileged();
    if (reason !== '') process.stderr.write(`tests with network namespaces are skipped: ${reason}\n`);
  }
  return reason === '';
}

/** Where a program is on the PATH. */
export function onPath(program: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(':');
  return folders.map((folder) => `${folder}/${program}`).find((file) => existsSync(file));
}

/** True when a program is on the PATH. */
export function installed(program: string): boolean {
  return onPath(program) !== undefined;
}

export interface NamespaceOptions {
  /** Leave IPv6 on (default off). Duplicate address detection is off in any case: addresses work at once. */
  readonly ipv6?: boolean;
}

export interface LinkOptions {
  readonly mtu?: number;
  /** Transmit and receive queues of both ends. */
  readonly queues?: number;
}

const open = new Set<Lab>();
process.on('exit', () => {
  for (const lab of open) lab.closeNow();
});

let counter = 0;

export class Lab {
  private readonly namespaces: string[] = [];
  private readonly processes: Process[] = [];

  constructor() {
    sweepLeftovers();
    open.add(this);
  }

  /** Makes a namespace with `lo` up and returns its name. */
  async namespace({ ipv6 = false }: NamespaceOptions = {}): Promise<string> {
    const name = `${PREFIX}-${process.pid}-${counter++}`;
    await ip('netns', 'add', name);
    this.namespaces.push(name);
    const settings = ipv6
      ? ['all/disable_ipv6=0', 'default/disable_ipv6=0', 'all/accept_dad=0', 'default/accept_dad=0']
      : ['all/disable_ipv6=1', 'default/disable_ipv6=1'];
    // Router solicitations come at random times: off, for exact counts.
    settings.push('default/router_solicitations=0');
    const script = settings
      .map((setting) => setting.split('='))
      .map(([path, value]) => `echo ${value} > /proc/sys/net/ipv6/conf/${path}`);
    await this.exec(name, 'sh', '-c', [...script, 'ip link set lo up'].join('\n'));
    return name;
  }

  /** A veth pair with each end in a namespace, both up. */
  async veth(nsA: string, a: string, nsB: string, b: string, options: LinkOptions = {}): Promise<void> {
    const { mtu = 1500, queues = 1 } = options;
    const queued = ['numtxqueues', `${queues}`, 'numrxqueues', `${queues}`];
    await ip(
      ...['-n', nsA, 'link', 'add', 'name', a, 'mtu', `${mtu}`, ...queued, 'type', 'veth'],
      ...['peer', 'name', b, 'netns', nsB, 'mtu', `${mtu}`, ...queued],
    );
    await this.up(nsA, a);
    await this.up(nsB, b);
  }

  async up(ns: string, link: string): Promise<void> {
    await ip('-n', ns, 'link', 'set', link, 'up');
  }

  async down(ns: string, link: string): Promise<void> {
    await ip('-n', ns, 'link', 'set', link, 'down');
  }

  /** Adds an address with prefix length, IPv4 or IPv6. */
  async address(ns: string, link: string, address: string): Promise<void> {
    const noDad = address.includes(':') ? ['nodad'] : [];
    await ip('-n', ns, 'address', 'add', address, 'dev', link, ...noDad);
  }

  async mac(ns: string, link: string): Promise<string> {
    const shown = await ip('-n', ns, '-j', 'link', 'show', 'dev', link);
    return (JSON.parse(shown) as { address: string }[])[0]!.address;
  }

  /** Switches offloads of a link (`ethtool -K`), e.g. `{ tso: 'off' }`. */
  async offload(ns: string, link: string, features: Record<string, 'on' | 'off'>): Promise<void> {
    await this.exec(ns, 'ethtool', '-K', link, ...Object.entries(features).flat());
  }

  /** One of a link's counters in /sys/class/net, read in its namespace. */
  async statistic(ns: string, link: string, name: string): Promise<number> {
    return Number(await this.exec(ns, 'cat', `/sys/class/net/${link}/statistics/${name}`));
  }

  /** Names of the links in a namespace. */
  async links(ns: string): Promise<string[]> {
    return (await this.exec(ns, 'ls', '/sys/class/net')).split('\n').filter((name) => name !== '');
  }

  /** Runs a command in a namespace to its end; its standard output. Rejects with its output when it fails. */
  async exec(ns: string, ...command: string[]): Promise<string> {
    const { stdout } = await run('ip', ['netns', 'exec', ns, ...command], { maxBuffer: 64 << 20 });
    return stdout;
  }

  /** Starts a process in a namespace (its PID is the process's own). It is stopped by `close` at the latest. */
  start(ns: string, ...command: string[]): Process {
    const started = new Process(['ip', 'netns', 'exec', ns, ...command]);
    this.processes.push(started);
    return started;
  }

  /** Stops everything and deletes the namespaces. */
  async close(): Promise<void> {
    open.delete(this);
    for (const started of this.processes) started.kill();
    await Promise.all(this.processes.map((started) => started.ended));
    for (const name of this.namespaces.splice(0)) {
      killInside(name);
      await ip('netns', 'del', name);
    }
  }

  /** The same without waiting, for exit hooks. */
  closeNow(): void {
    open.delete(this);
    for (const started of this.processes) started.kill();
    for (const name of this.namespaces.splice(0)) {
      killInside(name);
      spawnSync('ip', ['netns', 'del', name]);
    }
  }
}

/** Runs `body` with a lab that is closed at the end, come what may. */
export async function withLab<T>(body: (lab: Lab) => Promise<T>): Promise<T> {
  const lab = new Lab();
  try {
    return await body(lab);
  } finally {
    await lab.close();
  }
}

async function ip(...args: string[]): Promise<string> {
  const { stdout } = await run('ip', args);
  return stdout;
}

/** Ends what still runs inside one of our namespaces (children of processes that were killed), by PID. */
function killInside(name: string): void {
  const listed = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' });
  for (const pid of (listed.stdout ?? '').split('\n').filter((line) => line !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Deletes namespaces of test processes that no longer exist. Returns their names. */
export function sweepLeftovers(): string[] {
  const folder = '/run/netns';
  if (!existsSync(folder)) return [];
  const swept: string[] = [];
  for (const name of readdirSync(folder)) {
    const match = name.match(new RegExp(`^${PREFIX}-(\\d+)-\\w+$`));
    if (!match || isAlive(Number(match[1]))) continue;
    killInside(name);
    if (spawnSync('ip', ['netns', 'del', name]).status === 0) swept.push(name);
  }
  return swept;
}
