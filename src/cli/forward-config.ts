/**
 * The configuration file of `rxsteer forward`: its schema, as zod and as JSON Schema, and its reader.
 *
 * Promise: the file has the names of the flags; numbers may stand in quotes. What is not permitted is one UserError line
 * that names the place in the file. The JSON Schema (`rxsteer schema forward`) comes from the same source.
 */

import { REBALANCE_MODES } from '../control/modes.js';
import { portKinds } from '../dataplane/ports/kinds.js';
import { portSchema } from '../dataplane/ports/schema.js';
import { ENGINE_LIMITS, type LimitedOption } from '../dataplane/shared/limits.js';
import { LATENCIES } from '../dataplane/shared/plan.js';
import { UserError, unknownName } from '../errors.js';
import { IMPLEMENTATIONS } from '../hash/kernel.js';
import { type JsonSchema, jsonSchemaOf, policyJsonSchema } from '../policy/json-schema.js';
import { WORKER_MAX } from '../policy/numbers.js';
import { integer, oneOf } from '../policy/values.js';
import { readTextFile } from '../text-file.js';
import { z } from '../vendor/zod.js';
import { parseYaml } from '../yaml-text.js';

/** A number of the engine's. */
function limited(option: LimitedOption, what: string) {
  const [least, most] = ENGINE_LIMITS[option];
  return integer(least, most).optional().describe(what);
}

const SECONDS_MAX = 1e9;
const SECONDS = 'a number of seconds above 0';
const seconds = (what: string) =>
  z
    .union([
      z.number({ error: SECONDS }).gt(0, { error: SECONDS }).max(SECONDS_MAX, { error: SECONDS }),
      z.string({ error: SECONDS }).regex(/^\d{1,9}(\.\d{1,9})?$/, { error: SECONDS }),
    ])
    .optional()
    .describe(what);

const flag = (what: string) => z.boolean({ error: 'true or false' }).optional().describe(what);

const KINDS = portKinds().map(({ name }) => name);
const PORT_TEXT = `a port NAME=KIND:TARGET[,option=value…], KIND one of ${KINDS.join(', ')}`;
// What is wrong with a text is said by `parsePort`, which knows more words.
const port = z.string({ error: PORT_TEXT }).meta({ ...portSchema() });

const CPUS = 'CPU ids such as 0-1+3';
const cpu = z.number({ error: CPUS }).int({ error: CPUS }).min(0, { error: CPUS }).max(WORKER_MAX, {
  error: CPUS,
});
const cpus = z
  .union([
    cpu,
    z.string().regex(/^\d+(-\d+)?([+,]\d+(-\d+)?)*$/, { error: CPUS }),
    z.array(cpu).min(1, { error: CPUS }),
  ])
  .optional()
  .describe('CPU that each worker is pinned to, in order');

const MAC = 'a MAC address such as 02:00:00:00:00:01';
const fdb = z.strictObject({
  mac: z
    .string({ error: MAC })
    .regex(/^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/, { error: MAC })
    .regex(/^.[02468aceACE]/, {
      error: 'the address of one station: a group address has no port, frames to it go to all',
    }),
  vlan: z
    .number({ error: 'a VLAN from 0 to 4094' })
    .int()
    .min(0)
    .max(4094, { error: 'a VLAN from 0 to 4094' })
    .optional(),
  port: z.string({ error: 'the name of a port' }),
});

/** Order of the keys is that in which `ctl save` writes them. */
const configSchema = z.strictObject({
  ports: z
    .array(port, { error: 'a list of ports' })
    .min(2, { error: 'two ports at least' })
    .optional()
    .describe('Ports: NAME=KIND:TARGET[,option=value…]'),
  mode: oneOf(['wire', 'switch'])
    .optional()
    .describe('wire joins two ports, switch learns MAC addresses; default: wire for two ports'),
  policy: z.union([z.string(), z.record(z.string(), z.unknown())], { error: 'a policy' }).optional(),
  implementation: oneOf(IMPLEMENTATIONS)
    .optional()
    .describe('What hashes bursts where the policy does not say'),
  workers: limited('workers', 'Worker threads; default: what the policy names, else 1'),
  maxWorkers: limited('maxWorkers', 'Workers that can be added while it runs, all in all'),
  cpus,
  duration: seconds('Stop after so many seconds'),
  stats: seconds('Print a line of rates at this interval, in seconds'),
  backlog: limited('backlog', 'Frames that may wait between two workers'),
  frames: limited('smallFrames', 'Small frames in the pool'),
  largeFrames: limited('largeFrames', 'Large frames (up to 64 KiB) in the pool'),
  spin: limited('spinMaxUs', 'Microseconds that a worker spins before it sleeps'),
  latency: oneOf(LATENCIES).optional().describe('low: workers poll on while traffic comes'),
  warmUp: flag('Workers run on made-up frames before they report; default: where a port is a device'),
  postponeMaxMs: limited('postponeMaxMs', 'Strict order: hold a moving flow after so many milliseconds'),
  holdMax: limited('holdMaxFrames', 'Strict order: frames of one flow that are held at most'),
  holdMaxMs: limited('holdMaxMs', 'Strict order: hold no longer, in milliseconds'),
  macAge: limited('ageingSeconds', 'Switch: forget an address after so many seconds'),
  macLimit: limited('learnLimit', 'Switch: addresses learned per port at most'),
  receiveMemory: limited('receiveMib', 'MiB that the kernel may hold for all receive queues'),
  control: z
    .union([z.string().min(1), z.literal(false)], { error: 'the path of a socket, or false' })
    .optional()
    .describe('Control socket; false = none'),
  rebalance: oneOf(REBALANCE_MODES).optional().describe('Even out the workers: say it, do it, or not'),
  allowJs: flag('Take policies js:FILE through the control socket'),
  allowApply: flag('A dashboard may change the policy'),
  metrics: z
    .union([z.string().min(1), z.number().int().min(0).max(65_535)], { error: 'PORT or ADDRESS:PORT' })
    .optional()
    .describe('Listen for Prometheus there; without an address on loopback'),
  metricsFile: z
    .string({ error: 'a file that ends in .prom' })
    .regex(/\.prom$/, { error: 'a file that ends in .prom' })
    .optional()
    .describe('Write metrics there, for node_exporter'),
  drop: flag('Give up all capabilities once the ports are open'),
  fdb: z
    .array(fdb, { error: 'a list of { mac, vlan, port }' })
    .optional()
    .describe('Static addresses of the switch'),
  $schema: z.string().optional().describe('For editors'),
});

/** What a file says. */
export type ForwardConfig = z.infer<typeof configSchema>;
/** Keys of a file, in their order. */
export const CONFIG_KEYS = Object.keys(configSchema.shape) as (keyof ForwardConfig)[];

/** The JSON Schema of the file. */
export function forwardJsonSchema(): JsonSchema {
  const { $schema, ...schema } = jsonSchemaOf(configSchema) as JsonSchema & {
    properties: Record<string, JsonSchema>;
  };
  return {
    $schema,
    title: 'rxsteer forward --config',
    ...schema,
    properties: { ...schema.properties, policy: policyJsonSchema() },
  };
}

/** Checks a value. @param place what errors begin with. @throws UserError */
export function parseConfig(value: unknown, place: string): ForwardConfig {
  const result = configSchema.safeParse(value);
  if (result.success) return result.data;
  const { issues } = result.error;
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!;
  const at = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = issue.path.length === 0 ? CONFIG_KEYS : Object.keys(fdb.shape);
    const { message } = unknownName('key', issue.keys[0]!, known);
    throw new UserError([place, ...(at === '' ? [] : [at]), message].join(': '), {
      code: 'RXS_UNKNOWN_NAME',
    });
  }
  if (at === '') throw new UserError(`${place}: top level: expected keys and values`, { code: 'RXS_CONFIG' });
  // A union's own words where it has any, else those of the form that was nearest.
  const words = issue.code === 'invalid_union' ? unionWords(issue) : issue.message;
  throw new UserError(`${place}: ${at}: expected ${words}`, { code: 'RXS_CONFIG' });
}

function unionWords(issue: z.core.$ZodIssueInvalidUnion): string {
  const inner = issue.errors.flat().find(({ message }) => !message.startsWith('Invalid'));
  return issue.message.startsWith('Invalid') ? (inner?.message ?? issue.message) : issue.message;
}

/** Reads a file, or standard input (`-`). @throws UserError */
export function readConfig(path: string): ForwardConfig {
  const place = `--config ${path}`;
  return parseConfig(parseYaml(readTextFile(path === '-' ? 0 : path, place), place), place);
}
