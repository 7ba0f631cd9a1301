/**
 * The flags and the configuration file of `rxsteer forward`, checked and turned into engine options.
 *
 * Promise: every wrong value gives one UserError line that names the flag or the path in the file and what is
 * permitted. Flags override the file.
 */

import { z } from 'zod';
import { nativeHashKernels } from '../addon/hash-kernels.js';
import {
  DEFAULT_BACKLOG,
  DEFAULT_LARGE_FRAMES,
  DEFAULT_SMALL_FRAMES,
  DEFAULT_SPIN_US,
  type EngineOptions,
} from '../dataplane/engine/plan.js';
import { DEFAULT_ORDER_LIMITS } from '../dataplane/order/guard.js';
import { DEFAULT_RECEIVE_MIB } from '../dataplane/ports/packet/receive-memory.js';
import { parsePort } from '../dataplane/ports/port-spec.js';
import { checkLimit, type LimitedOption } from '../dataplane/shared/limits.js';
import { UserError, unknownName } from '../errors.js';
import { chooseKernels, IMPLEMENTATIONS, type Implementation } from '../hash/kernel.js';
import { defaultWorkers } from '../policy/compile.js';
import { parseCpuList, parsePolicy } from '../policy/parse.js';
import { readTextFile } from '../text-file.js';
import { parseYaml } from '../yaml-text.js';
import { type ControlFlags, controlFlags } from './forward-control.js';

export interface ForwardFlags {
  readonly port: string[];
  readonly mode?: string;
  readonly policy?: string;
  readonly implementation?: string;
  readonly workers?: string;
  readonly maxWorkers?: string;
  readonly cpus?: string;
  readonly duration?: string;
  readonly stats?: string;
  readonly config?: string;
  readonly backlog?: string;
  readonly frames?: string;
  readonly largeFrames?: string;
  readonly spin?: string;
  /** False for `--no-warm-up`, true where it was not given. */
  readonly warmUp?: boolean;
  readonly postponeMaxMs?: string;
  readonly holdMax?: string;
  readonly holdMaxMs?: string;
  readonly macAge?: string;
  readonly macLimit?: string;
  readonly receiveMemory?: string;
  readonly fault?: string;
  /** False for `--no-control`, true where it was not given. */
  readonly control?: string | boolean;
  readonly rebalance?: string;
  readonly allowJs?: boolean;
  readonly drop?: boolean;
  readonly endWithStdin?: boolean;
  readonly json?: boolean;
}

function implementationOf(text: string | undefined): Implementation | undefined {
  if (text === undefined || (IMPLEMENTATIONS as readonly string[]).includes(text)) {
    return text as Implementation | undefined;
  }
  throw new UserError(`--implementation ${text}: expected ${IMPLEMENTATIONS.join(', ')}`);
}

const count = z.union([z.number(), z.string()]).transform(String);

/** The file: the same names as the flags; `policy` may be an object, `fdb` lists static addresses of the switch. */
const configSchema = z.strictObject({
  ports: z.array(z.string()).optional(),
  mode: z.enum(['wire', 'switch']).optional(),
  policy: z.union([z.string(), z.record(z.string(), z.unknown())]).optional(),
  implementation: z.enum(IMPLEMENTATIONS).optional(),
  workers: count.optional(),
  maxWorkers: count.optional(),
  cpus: count.optional(),
  duration: count.optional(),
  stats: count.optional(),
  backlog: count.optional(),
  frames: count.optional(),
  largeFrames: count.optional(),
  spin: count.optional(),
  warmUp: z.boolean().optional(),
  postponeMaxMs: count.optional(),
  holdMax: count.optional(),
  holdMaxMs: count.optional(),
  macAge: count.optional(),
  macLimit: count.optional(),
  receiveMemory: count.optional(),
  control: z.union([z.string(), z.literal(false)]).optional(),
  rebalance: z.string().optional(),
  allowJs: z.boolean().optional(),
  drop: z.boolean().optional(),
  fdb: z
    .array(
      z.strictObject({
        mac: z
          .string()
          .regex(/^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/, 'expected a MAC address such as 02:00:00:00:00:01')
          .regex(/^.[02468aceACE]/, 'a group address has no port of its own: frames to it go to all ports'),
        vlan: z.number().int().min(0).max(4094).optional(),
        port: z.string(),
      }),
    )
    .optional(),
});
type Config = z.infer<typeof configSchema>;

function readConfig(path: string): Config {
  const place = `--config ${path}`;
  const result = configSchema.safeParse(parseYaml(readTextFile(path === '-' ? 0 : path, place), place));
  if (!result.success) {
    const issue = result.error.issues[0]!;
    if (issue.code === 'unrecognized_keys' && issue.path.length === 0) {
      const { message } = unknownName('key', issue.keys[0]!, Object.keys(configSchema.shape));
      throw new UserError(`${place}: ${message}`);
    }
    const at = issue.path.length > 0 ? issue.path.join('.') : 'top level';
    throw new UserError(`${place}: ${at}: ${issue.message}`);
  }
  return result.data;
}

function whole(flag: string, text: string, option: LimitedOption): number {
  return checkLimit(option, /^\d+$/.test(text) ? Number(text) : text, flag);
}

function seconds(flag: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0 || value > 1e9) {
    throw new UserError(`${flag} ${text}: expected a number of seconds above 0`);
  }
  return value * 1000;
}

export interface ParsedForward {
  readonly engine: EngineOptions;
  readonly durationMs: number | null;
  readonly statsMs: number | null;
  /** Null = no control socket. */
  readonly control: ControlFlags | null;
  /** Give up all capabilities once the ports are open. */
  readonly drop: boolean;
}

/** Parses and checks everything. Throws UserError. */
export function forwardOptions(flags: ForwardFlags, warn: (message: string) => void): ParsedForward {
  const file: Config = flags.config === undefined ? {} : readConfig(flags.config);
  const pick = (key: keyof ForwardFlags & keyof Config) => (flags[key] ?? file[key]) as string | undefined;
  const texts = flags.port.length > 0 ? flags.port : (file.ports ?? []);
  const ports = texts.map(parsePort);
  if (ports.length < 2) {
    throw new UserError(
      `forward needs at least two ports (--port NAME=KIND:TARGET, twice or more), not ${ports.length}`,
    );
  }
  const mode = pick('mode');
  if (mode !== undefined && mode !== 'wire' && mode !== 'switch') {
    throw new UserError(`--mode ${mode}: expected wire or switch`);
  }
  const given = flags.policy ?? file.policy ?? 'rss';
  const workersText = pick('workers');
  const asked = workersText === undefined ? undefined : whole('--workers', workersText, 'workers');
  const implementation = implementationOf(pick('implementation'));
  const policy = parsePolicy(given, {
    command: 'forward',
    ...(implementation === undefined ? {} : { implementation }),
    ...(asked === undefined ? {} : { workers: asked }),
  });
  // Refused here in one line rather than by every worker.
  if ('implementation' in policy) chooseKernels(policy.implementation, nativeHashKernels(), 'implementation');
  const portIndex = new Map(ports.map((port, index) => [port.name, index]));
  const fdb = (file.fdb ?? []).map((entry) => {
    const port = portIndex.get(entry.port);
    if (port === undefined) {
      throw new UserError(
        `--config fdb: ${entry.mac}: there is no port "${entry.port}": known: ${[...portIndex.keys()].join(', ')}`,
      );
    }
    return { mac: entry.mac.toLowerCase(), vlan: entry.vlan ?? 0, port };
  });
  const number = (
    key:
      | 'backlog'
      | 'frames'
      | 'largeFrames'
      | 'spin'
      | 'postponeMaxMs'
      | 'holdMax'
      | 'holdMaxMs'
      | 'macAge'
      | 'macLimit'
      | 'receiveMemory',
    option: LimitedOption,
    fallback: number,
  ) => {
    const text = pick(key);
    const flag = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    return text === undefined ? fallback : whole(flag, text, option);
  };
  const cpuText = pick('cpus');
  const mostText = pick('maxWorkers');
  const maxWorkers = mostText === undefined ? undefined : whole('--max-workers', mostText, 'maxWorkers');
  // Commander gives true where --no-warm-up is not there.
  const warmUp = flags.warmUp === false ? false : file.warmUp;
  const engine: EngineOptions = {
    ports,
    ...(mode === undefined ? {} : { mode }),
    policy,
    policyText: policy.text,
    workers: asked ?? defaultWorkers(policy),
    ...(maxWorkers === undefined ? {} : { maxWorkers }),
    cpus: cpuText === undefined ? [] : parseCpuList('--cpus', cpuText),
    backlog: number('backlog', 'backlog', DEFAULT_BACKLOG),
    orderLimits: {
      postponeMaxMs: number('postponeMaxMs', 'postponeMaxMs', DEFAULT_ORDER_LIMITS.postponeMaxMs),
      holdMaxFrames: number('holdMax', 'holdMaxFrames', DEFAULT_ORDER_LIMITS.holdMaxFrames),
      holdMaxMs: number('holdMaxMs', 'holdMaxMs', DEFAULT_ORDER_LIMITS.holdMaxMs),
    },
    smallFrames: number('frames', 'smallFrames', DEFAULT_SMALL_FRAMES),
    largeFrames: number('largeFrames', 'largeFrames', DEFAULT_LARGE_FRAMES),
    spinMaxUs: number('spin', 'spinMaxUs', DEFAULT_SPIN_US),
    ...(warmUp === undefined ? {} : { warmUp }),
    receiveMib: number('receiveMemory', 'receiveMib', DEFAULT_RECEIVE_MIB),
    switching: {
      ageingSeconds: number('macAge', 'ageingSeconds', 300),
      learnLimit: number('macLimit', 'learnLimit', 4096),
      fdb,
    },
    fault: flags.fault ?? null,
    warn,
  };
  return {
    engine,
    durationMs: seconds('--duration', pick('duration')),
    statsMs: seconds('--stats', pick('stats')),
    // Commander gives true where neither --control nor --no-control is there.
    control: controlFlags(
      flags.control === true ? file.control : flags.control,
      flags.rebalance ?? file.rebalance,
      flags.allowJs ?? file.allowJs ?? false,
    ),
    drop: flags.drop ?? file.drop ?? false,
  };
}
