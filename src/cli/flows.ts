/**
 * `rxsteer flows`: flows that a policy sends to a queue or a worker.
 *
 * Promise: each printed flow was steered there by the code of the forwarder; standard output has one flow a line, as
 * `explain --flow` takes it, how many there are is said on standard error.
 */
import type { Command } from 'commander';
import { UserError } from '../errors.js';
import { compileAlone, insistsOnNative, parseAlone } from '../policy/compile-plain.js';
import { policyAssumptions, policyWarnings } from '../policy/warnings.js';
import {
  DEFAULT_FLOW,
  FLOWS_MAX,
  type FoundFlow,
  type FoundFlows,
  findFlows,
} from '../traffic/find/flows.js';
import { FIELD_WORDS, FLOW_FIELDS, type FlowField } from '../traffic/find/space.js';
import { macOption, wholeNumber } from './numbers.js';
import { noteLine, print, printJson } from './output.js';

interface Flags {
  readonly policy: string;
  readonly queue?: string;
  readonly worker?: string;
  readonly count: string;
  readonly like: string;
  readonly vary?: string;
  readonly vlan?: string;
  readonly srcMac?: string;
  readonly dstMac?: string;
  readonly workers?: string;
  readonly json?: boolean;
}

const WORKERS_MAX = 1024;
const QUEUE_MAX = 65_535;

/** `4,032 of 64,512 source ports lead to queue 5`, or the share where they were not counted. */
function summary(found: FoundFlows, place: string): string {
  const what = found.varied.map((field) => FIELD_WORDS[field]);
  const count = (value: number) => value.toLocaleString('en-US');
  if (found.matching !== null && found.candidates !== null) {
    return `${count(found.matching)} of ${count(found.candidates)} ${what[0]}s lead to ${place}`;
  }
  const share = `${Number((100 * found.share).toPrecision(3))} %`;
  return `the ${what.join(' and the ')} varied; ${share} of ${found.method === 'algebra' ? 'all such flows' : 'the flows tried'} go to ${place}`;
}

/** MAC addresses that are a part of the answer, as flags of `explain`. */
function line(flow: FoundFlow, { varied }: FoundFlows): string {
  const macs = [
    varied.includes('src-mac') ? ` --src-mac ${flow.srcMac}` : '',
    varied.includes('dst-mac') ? ` --dst-mac ${flow.dstMac}` : '',
  ].join('');
  return macs === '' ? flow.flow : `--flow "${flow.flow}"${macs}`;
}

/** Assumptions about the NIC that the flows rest on. */
function assumedFor(flows: readonly FoundFlow[], spec: Parameters<typeof policyAssumptions>[0]): string[] {
  const types = [...new Set(flows.flatMap(({ hash }) => (hash === null ? [] : [hash.type])))];
  return policyAssumptions(spec, types);
}

export function register(program: Command): void {
  program
    .command('flows')
    .description('flows that a policy sends to a queue or worker')
    .requiredOption('--policy <policy>', 'NAME, NAME:key=value,… or @FILE')
    .option('--queue <n>', 'queue that the flows shall go to')
    .option('--worker <n>', 'worker that the flows shall go to')
    .option('--count <n>', `number of flows, up to ${FLOWS_MAX}`, '10')
    .option('--like <flow>', 'what does not vary is as in this flow', DEFAULT_FLOW)
    .option('--vary <fields>', `what may vary: ${FLOW_FIELDS.join('+')} (default: sport, then src)`)
    .option('--vlan <id>', 'VLAN tag of the flows')
    .option('--src-mac <mac>', 'source MAC of the flows')
    .option('--dst-mac <mac>', 'destination MAC of the flows')
    .option('--workers <n>', 'number of workers (default: from the policy)')
    .option('--json', 'print JSON')
    .allowExcessArguments(false)
    .action(async (flags: Flags) => {
      const spec = await parseAlone(flags.policy);
      const steering = await compileAlone(spec, {
        ...(flags.workers === undefined
          ? {}
          : { workers: wholeNumber(flags.workers, 1, WORKERS_MAX, '--workers') }),
        ...(insistsOnNative(spec)
          ? { kernels: (await import('../addon/hash-kernels.js')).nativeHashKernels() }
          : {}),
      });
      for (const warning of policyWarnings(steering)) noteLine(`rxsteer: warning: ${warning}`);
      const numberOf = (name: 'queue' | 'worker') =>
        flags[name] === undefined ? {} : { [name]: wholeNumber(flags[name], 0, QUEUE_MAX, `--${name}`) };
      const srcMac = macOption(flags.srcMac, '--src-mac');
      const dstMac = macOption(flags.dstMac, '--dst-mac');
      const count = wholeNumber(flags.count, 1, FLOWS_MAX, '--count');
      const found = findFlows(steering, {
        ...numberOf('queue'),
        ...numberOf('worker'),
        count,
        like: flags.like,
        ...(flags.vary === undefined ? {} : { vary: fieldsOf(flags.vary) }),
        link: {
          vlans: flags.vlan === undefined ? [] : [wholeNumber(flags.vlan, 0, 4095, '--vlan')],
          ...(srcMac === undefined ? {} : { srcMac }),
          ...(dstMac === undefined ? {} : { dstMac }),
        },
      });
      const place = flags.queue === undefined ? `worker ${flags.worker}` : `queue ${flags.queue}`;
      const { flows, ...rest } = found;
      const assumed = assumedFor(flows, spec);
      if (flags.json === true) {
        printJson({
          policy: steering.text,
          queue: null,
          worker: null,
          ...numberOf('queue'),
          ...numberOf('worker'),
          ...rest,
          flows: flows.map((flow) => ({ ...flow, hash: flow.hash?.value ?? null })),
          ...(assumed.length === 0 ? {} : { assumed }),
        });
      } else {
        for (const flow of flows) print(line(flow, found));
        const fewer = flows.length < count ? `; there are no more than these ${flows.length}` : '';
        noteLine(`rxsteer: ${summary(found, place)}${fewer}`);
        for (const text of assumed) noteLine(`rxsteer: ${text}`);
      }
    });
}

/** @throws UserError with the fields that there are */
function fieldsOf(text: string): FlowField[] {
  const fields = text.split('+') as FlowField[];
  const wrong = fields.find((field) => !FLOW_FIELDS.includes(field));
  if (wrong !== undefined)
    throw new UserError(`--vary: "${wrong}": expected some of ${FLOW_FIELDS.join('+')}`);
  return fields;
}
