/**
 * Network namespaces and links that the program makes for itself (the demo), and their removal.
 *
 * Promise: every namespace is named `rxsteer-PID-STARTTIME-PIDNAMESPACE-ROLE` after the process that made it; links live
 * inside namespaces only, so that removing a namespace removes everything. `sweepDead` removes what killed processes left
 * and never touches what belongs to a live one: a process is recognised by its id, its start time and the PID namespace
 * that both are of. What processes of another PID namespace made (a container that shares /run) cannot be judged from
 * here and stays.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../errors.js';

const PREFIX = 'rxsteer';
const NAMESPACES = '/run/netns';

/** Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat), or null when there is none. */
export function startTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name may hold anything, also parentheses: count from the last one.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

/** Identity of this process's PID namespace, as /proc shows it; null where /proc is another namespace's or none. */
export function pidNamespace(): string | null {
  try {
    // In a /proc of another PID namespace `self` is not this process, or nobody.
    if (Number(readlinkSync('/proc/self')) !== process.pid) return null;
    return /^pid:\[(\d+)\]$/.exec(readlinkSync('/proc/self/ns/pid'))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** What the names of this process's namespaces begin with. */
function ownTag(): string {
  return `${PREFIX}-${process.pid}-${startTime(process.pid) ?? 0}-${pidNamespace() ?? 0}`;
}

function namespaces(): string[] {
  try {
    return readdirSync(NAMESPACES);
  } catch {
    return [];
  }
}

/** Those of these names that dead processes of this PID namespace gave. */
function ofDead(names: readonly string[]): string[] {
  const here = pidNamespace();
  return names.filter((name) => {
    const match = new RegExp(`^${PREFIX}-(\\d+)-(\\d+)-(\\d+)-`).exec(name);
    return here !== null && match !== null && match[3] === here && startTime(Number(match[1])) !== match[2];
  });
}

/** A new folder for temporary files, named as namespaces are. */
export function ownFolder(): string {
  return mkdtempSync(join(tmpdir(), `${ownTag()}-`));
}

/** Removes the folders that this user's dead processes left; never throws. */
export function sweepFolders(): void {
  try {
    for (const name of ofDead(readdirSync(tmpdir()))) {
      const path = join(tmpdir(), name);
      const { uid } = lstatSync(path);
      if (uid === process.geteuid?.()) rmSync(path, { recursive: true, force: true });
    }
  } catch {
    // They lie in nobody's way.
  }
}

/** Removes the namespaces of this program's dead processes; returns their names. Needs root; never throws. */
export function sweepDead(): string[] {
  const removed: string[] = [];
  for (const name of ofDead(namespaces())) {
    if (spawnSync('ip', ['netns', 'del', name], { stdio: 'ignore' }).status === 0) removed.push(name);
  }
  return removed;
}

/** True when `ip` can be run. */
export function hasIp(): boolean {
  return spawnSync('ip', ['-V'], { stdio: 'ignore' }).status === 0;
}

/** Why namespaces cannot be made here, in one line with the cure; empty when they can. */
export function labProblem(): string {
  if (process.platform !== 'linux') return 'network namespaces need Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root (sudo npm start)';
  if (!hasIp()) return 'the ip command is missing (apt-get install iproute2)';
  const name = `${ownTag()}-probe`;
  const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  if (made.status !== 0) return `no network namespaces here: ${made.stderr.trim().split('\n')[0]}`;
  spawnSync('ip', ['netns', 'del', name]);
  return '';
}

/** A set of namespaces of this process. */
export class Lab {
  private readonly made: string[] = [];
  private readonly tag = ownTag();

  /** Runs `ip` with arguments; throws one line on failure. */
  ip(...args: string[]): string {
    try {
      return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    } catch (error) {
      const stderr = String((error as { stderr?: string }).stderr ?? '').trim();
      throw new Error(`ip ${args.join(' ')}: ${stderr.split('\n')[0]}`);
    }
  }

  /** Makes a namespace with loopback up and IPv6 off (router solicitations would spoil counts); its name. */
  namespace(role: string): string {
    const name = `${this.tag}-${role}`;
    this.ip('netns', 'add', name);
    this.made.push(name);
    this.inside(
      name,
      'sh',
      '-c',
      'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6',
    );
    this.ip('-n', name, 'link', 'set', 'dev', 'lo', 'up');
    return name;
  }

  /** A veth pair between two namespaces, both ends up. */
  veth(namespaceA: string, a: string, namespaceB: string, b: string): void {
    this.ip('link', 'add', a, 'netns', namespaceA, 'type', 'veth', 'peer', 'name', b, 'netns', namespaceB);
    this.ip('-n', namespaceA, 'link', 'set', 'dev', a, 'up');
    this.ip('-n', namespaceB, 'link', 'set', 'dev', b, 'up');
  }

  /** Runs a program inside a namespace and returns its output. */
  inside(namespace: string, ...command: string[]): string {
    return this.ip('netns', 'exec', namespace, ...command);
  }

  /** Removes everything; call it however the program ends. */
  close(): void {
    for (const name of this.made.splice(0)) spawnSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
  }
}

/** For callers that cannot go on without a lab. */
export function requireLab(): void {
  const problem = labProblem();
  if (problem !== '') throw new UserError(problem);
}
