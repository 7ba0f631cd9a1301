/**
 * The flags and the configuration file of `rxsteer forward`, checked and turned into engine options.
 *
 * Promise: every wrong value gives one UserError line that names the flag or the path in the file and what is
 * permitted. Flags override the file.
 */

import { nativeHashKernels } from '../addon/hash-kernels.js';
import {
  DEFAULT_BACKLOG,
  DEFAULT_LARGE_FRAMES,
  DEFAULT_SMALL_FRAMES,
  DEFAULT_SPIN_US,
  type EngineOptions,
} from '../dataplane/engine/plan.js';
import { DEFAULT_ORDER_LIMITS } from '../dataplane/order/guard.js';
import { parsePort } from '../dataplane/ports/port-spec.js';
import { checkLimit, DEFAULT_RECEIVE_MIB, type LimitedOption } from '../dataplane/shared/limits.js';
import { LATENCIES, type Latency } from '../dataplane/shared/plan.js';
import { UserError, unknownName } from '../errors.js';
import { chooseKernels, IMPLEMENTATIONS, type Implementation } from '../hash/kernel.js';
import { defaultWorkers } from '../policy/compile.js';
import { parseCpuList, parsePolicy } from '../policy/parse.js';
import { type ForwardConfig, readConfig } from './forward-config.js';
import { type ControlFlags, controlFlags } from './forward-control.js';
import { type MetricsFlags, metricsFlags } from './forward-metrics.js';

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
  readonly latency?: string;
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
  readonly allowApply?: boolean;
  readonly metrics?: string;
  readonly metricsFile?: string;
  readonly drop?: boolean;
  readonly endWithStdin?: boolean;
  readonly check?: boolean;
  readonly json?: boolean;
}

function implementationOf(text: string | undefined): Implementation | undefined {
  if (text === undefined || (IMPLEMENTATIONS as readonly string[]).includes(text)) {
    return text as Implementation | undefined;
  }
  throw new UserError(`--implementation ${text}: expected ${IMPLEMENTATIONS.join(', ')}`);
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

/** A list of CPUs as the flag has it. */
function listText(cpus: ForwardConfig['cpus']): string | undefined {
  return cpus === undefined ? undefined : [cpus].flat().join('+');
}

/** What is refused of the file names the place in it. */
function placed<T>(place: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${place}: ${error.message}`, { cause: error, code: error.code });
  }
}

export interface ParsedForward {
  readonly engine: EngineOptions;
  readonly durationMs: number | null;
  readonly statsMs: number | null;
  /** Null = no control socket. */
  readonly control: ControlFlags | null;
  /** Null = metrics are shown through the control socket only. */
  readonly metrics: MetricsFlags | null;
  /** Give up all capabilities once the ports are open. */
  readonly drop: boolean;
  /** As it was given. */
  readonly implementation: Implementation | undefined;
}

/** Parses and checks everything. Throws UserError. */
export function forwardOptions(flags: ForwardFlags, warn: (message: string) => void): ParsedForward {
  const file: ForwardConfig = flags.config === undefined ? {} : readConfig(flags.config);
  const pick = (key: keyof ForwardFlags & keyof ForwardConfig) => {
    const value = flags[key] ?? file[key];
    return value === undefined ? undefined : String(value);
  };
  const inFile = <T>(key: string, parse: () => T) => placed(`--config ${flags.config}: ${key}`, parse);
  const ports =
    flags.port.length > 0
      ? flags.port.map(parsePort)
      : (file.ports ?? []).map((text, i) => inFile(`ports.${i}`, () => parsePort(text)));
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
  const parse = () =>
    parsePolicy(given, {
      command: 'forward',
      ...(implementation === undefined ? {} : { implementation }),
      ...(asked === undefined ? {} : { workers: asked }),
    });
  const isFiled = flags.policy === undefined && file.policy !== undefined;
  const policy = isFiled ? inFile('policy', parse) : parse();
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
  const cpuText = flags.cpus ?? listText(file.cpus);
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
    latency: parseLatency(pick('latency')),
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
      flags.allowApply ?? file.allowApply ?? false,
    ),
    metrics: metricsFlags(pick('metrics'), pick('metricsFile')),
    drop: flags.drop ?? file.drop ?? false,
    implementation,
  };
}

/** @throws UserError */
function parseLatency(text = 'normal'): Latency {
  const known = LATENCIES.find((name) => name === text);
  if (known === undefined) throw unknownName('--latency', text, LATENCIES);
  return known;
}
