/**
 * What `rxsteer doctor` prints for people.
 *
 * Promise: findings by severity, each a few lines: why, what was seen, fix, undo, the form that survives a reboot,
 * what the fix would bring. Long
 * lists are cut with their number (the script of `--fix-script` and the JSON have all). What could not be known is listed,
 * by reason. Pure.
 */
import type { Shown } from '../host/check.js';
import type { DiagnosisDiff } from '../host/diff.js';
import type { Diagnosis, Finding, UnknownResult } from '../host/doctor.js';
import { known } from '../host/fact.js';
import type { factsOf } from '../host/facts.js';
import { GUEST_COLUMNS, guestRows } from '../host/guest-table.js';
import type { Host } from '../host/host.js';
import { formatCpuList } from '../host/lists.js';
import { worded } from '../host/wording.js';
import { asCell, colour, formatFields as formatLines, formatTable } from './output.js';

/** Fields of a line each: names of a host make no lines of their own. */
const formatFields = (fields: readonly (readonly [string, string])[]) =>
  formatLines(fields.map(([name, value]) => [name, asCell(value)] as const));

/** Commands of a finding that are shown. */
const LINES_MAX = 4;
const UNKNOWN_MAX = 12;

const MARKS = { E: colour.red, W: colour.yellow, I: colour.cyan } as const;
const WORDS = { E: 'broken', W: 'costs', I: 'worth knowing' } as const;

/** `queues 8, irqCpus 0-7`. */
function shown(value: Shown): string {
  if (value === null) return 'unknown';
  if (Array.isArray(value)) {
    const list = value.slice(0, 16).join(', ');
    return value.length > 16 ? `${list}, … ${value.length}` : list || 'none';
  }
  if (typeof value === 'object') {
    const parts = Object.entries(value).map(([name, one]) => `${name} ${shown(one)}`);
    return parts.join(', ') || 'none';
  }
  return String(value);
}

/** `rps queues` of `rpsQueues`; names of settings stay. */
function words(name: string): string {
  return /^[a-z]+([A-Z][a-z]+)+$/.test(name)
    ? name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    : name;
}

function cut(lines: readonly string[]): string[] {
  if (lines.length <= LINES_MAX) return [...lines];
  return [
    ...lines.slice(0, LINES_MAX - 1),
    `… ${lines.length - LINES_MAX + 1} more (--json, --fix-script FILE)`,
  ];
}

function findingText(finding: Finding, expected: readonly string[]): string {
  const mark = MARKS[finding.severity];
  const rows: (readonly [string, string])[] = [
    ['why', finding.why],
    ...Object.entries(finding.evidence).map(
      ([name, value]) => ['seen', `${words(name)}: ${shown(value)}`] as const,
    ),
    ...cut(finding.fix).map((line) => ['fix', line] as const),
    ...cut(finding.undo).map((line) => ['undo', line] as const),
    ...cut(finding.persistent).map((line) => ['keep', line] as const),
    ...finding.undoneBy.map((line) => ['undone', line] as const),
    ...expected.map((line) => ['expect', line] as const),
    ['see', finding.reference],
  ];
  let last = '';
  const lines = rows.map(([name, text]) => {
    const label = name === last ? '' : name;
    last = name;
    return `   ${colour.dim(label.padEnd(7))}${asCell(text)}`;
  });
  return [`${mark(finding.severity)}  ${colour.bold(finding.id)}  ${asCell(finding.subject)}`, ...lines].join(
    '\n',
  );
}

/** Checks that the same reason hinders are one line. */
function unknownLines(unknown: readonly UnknownResult[]): string[] {
  const byReason = new Map<string, { ids: Set<string>; subjects: Set<string> }>();
  for (const { id, subject, why } of unknown) {
    const one = byReason.get(why) ?? { ids: new Set(), subjects: new Set() };
    one.ids.add(id);
    one.subjects.add(subject);
    byReason.set(why, one);
  }
  const lines = [...byReason].map(([why, { ids, subjects }]) =>
    asCell(`?  ${[...ids].join(', ')}  ${[...subjects].slice(0, 4).join(', ')}: ${why}`),
  );
  return lines.length <= UNKNOWN_MAX
    ? lines
    : [...lines.slice(0, UNKNOWN_MAX), `?  … ${lines.length - UNKNOWN_MAX} more reasons (--json)`];
}

function heading(host: Host, { role, roleWhy, checked }: Diagnosis): string {
  const { load, cpus } = host;
  const sample = !known(load)
    ? load.unknown
    : load.since === 'sample'
      ? `two readings, ${load.seconds.toFixed(1)} s apart`
      : `one reading; rates are averages since boot (${(load.seconds / 3600).toFixed(1)} h)`;
  return formatFields([
    [
      'host',
      `${host.source}${known(host.kernel) ? `, Linux ${host.kernel}` : ''}, ${worded(`${cpus.online.length} CPUs, ${cpus.nodes.length} nodes`)}`,
    ],
    [
      'devices',
      `${host.devices.map(({ name }) => name).join(', ') || 'none'}${known(host.namespace) ? ` (network namespace ${host.namespace})` : ''}`,
    ],
    ['role', `${role}: ${roleWhy}${roleWhy === 'given' ? '' : ' (--role)'}`],
    ['sample', sample],
    ['checks', String(checked)],
    ...(host.processes.hidden === null ? [] : [['hidden', host.processes.hidden] as const]),
  ]);
}

/** The whole report. @param expected lines about what fixes would bring */
export function reportText(
  host: Host,
  diagnosis: Diagnosis,
  expected: ReadonlyMap<Finding, readonly string[]> = new Map(),
): string {
  const { findings, unknown } = diagnosis;
  const rows = guestRows(host);
  const count = (severity: 'E' | 'W' | 'I') => {
    const number = findings.filter((finding) => finding.severity === severity).length;
    return number === 0 ? [] : [`${number} ${WORDS[severity]} (${severity})`];
  };
  const summary = [...count('E'), ...count('W'), ...count('I')].join(', ') || 'nothing found';
  return [
    heading(host, diagnosis),
    ...findings.map((finding) => findingText(finding, expected.get(finding) ?? [])),
    ...(rows.length === 0
      ? []
      : [
          formatTable(
            GUEST_COLUMNS.map((title) => ({ title })),
            rows,
          ),
        ]),
    ...(unknown.length === 0 ? [] : [unknownLines(unknown).join('\n')]),
    `${summary}${unknown.length === 0 ? '' : `; ${unknown.length} could not be told`}`,
  ].join('\n\n');
}

/** What is new and gone. */
export function diffText({ added, gone, changed }: DiagnosisDiff): string {
  const line = (mark: string, { severity, id, subject }: Finding) =>
    `${mark} ${severity}  ${id}  ${asCell(subject)}`;
  return [
    '',
    colour.bold('since the older collection'),
    ...added.map((finding) => line('+', finding)),
    ...gone.map((finding) => line('-', finding)),
    ...changed.map(({ before, after }) => `${line('~', after)} (was ${before.severity})`),
    ...(added.length + gone.length + changed.length === 0 ? ['no difference'] : []),
  ].join('\n');
}

type Facts = ReturnType<typeof factsOf>;

/** The facts in short: devices and their queues. */
export function factsText(facts: Facts): string {
  const list = (cpus: readonly number[] | null) => (cpus === null ? '?' : formatCpuList(cpus) || '-');
  const right = (title: string) => ({ title, align: 'right' as const });
  const devices = facts.devices.map((device) => [
    device.name,
    device.kind,
    device.driver ?? '-',
    device.node === null ? '-' : String(device.node),
    String(device.queues.rx),
    String(device.queues.tx),
    device.master ?? '-',
  ]);
  const irqs = facts.devices.flatMap((device) =>
    device.irqs.map(({ irq, action, queue, type, cpus }) => [
      device.name,
      String(irq),
      action,
      queue === null ? '-' : `${type} ${queue}`,
      list(cpus),
    ]),
  );
  const queues = facts.devices.flatMap((device) =>
    device.rps
      .map(({ queue, cpus }, i) => ({
        cells: [
          device.name,
          `${queue}`,
          list(cpus),
          list(device.xps[i]?.cpus ?? null),
          `${device.rfs[i]?.entries ?? '?'}`,
        ],
        isSet:
          cpus === null ||
          cpus.length > 0 ||
          (device.xps[i]?.cpus?.length ?? 0) > 0 ||
          (device.rfs[i]?.entries ?? 0) > 0,
      }))
      .filter(({ isSet }) => isSet)
      .map(({ cells }) => cells),
  );
  return [
    formatFields([
      ['CPUs', `online ${list(facts.cpus.online)}, isolated ${list(facts.cpus.isolated)}`],
      ['nodes', facts.nodes.map(({ id, cpus }) => `${id}: ${list(cpus)}`).join('; ')],
      ['role', `${facts.role}: ${facts.roleWhy}`],
      ['guests', facts.guests.map(({ name }) => name).join(', ') || 'none'],
    ]),
    formatTable(
      [
        { title: 'device' },
        { title: 'kind' },
        { title: 'driver' },
        right('node'),
        right('rx'),
        right('tx'),
        { title: 'master' },
      ],
      devices,
    ),
    ...(irqs.length === 0
      ? []
      : [
          formatTable(
            [{ title: 'device' }, right('irq'), { title: 'action' }, { title: 'queue' }, { title: 'CPU' }],
            irqs,
          ),
        ]),
    ...(queues.length === 0
      ? []
      : [
          formatTable(
            [{ title: 'device' }, right('queue'), { title: 'RPS' }, { title: 'XPS' }, right('flows')],
            queues,
          ),
        ]),
  ].join('\n\n');
}
