/**
 * `rxsteer nics`: the NICs whose RSS is known, and what is known of each.
 *
 * Promise: what policies use (`nic=`), and nothing else; the JSON has whole profiles.
 */
import type { Command } from 'commander';
import { unknownName } from '../errors.js';
import { NIC_NAMES, type NicProfile, nicProfile } from '../nic/profiles.js';
import { formatFitting, lineColumns, wrap } from './fitting.js';
import { formatFields, print, printJson } from './output.js';

const right = (title: string) => ({ title, align: 'right' as const });

function tableOf({ table, tableSizes }: NicProfile): string {
  if (table.kind === 'fixed') return String(table.size);
  return tableSizes === 'powers-of-two' ? 'by queues' : tableSizes.join(', ');
}

const hashesUdp = ({ types }: NicProfile) => types.some((type) => type.startsWith('udp-'));

function row(profile: NicProfile): string[] {
  const { id, driver, maxQueues, key } = profile;
  return [
    id,
    driver,
    maxQueues === null ? '-' : String(maxQueues),
    tableOf(profile),
    key.length > 20 ? 'fixed' : key,
    hashesUdp(profile) ? 'ports' : 'addresses',
    profile.pools.length > 0 ? 'yes' : '-',
  ];
}

const COLUMNS = [
  { title: 'nic' },
  { title: 'driver' },
  right('queues'),
  right('table'),
  { title: 'key' },
  { title: 'UDP by' },
  { title: 'pools' },
];

function details(profile: NicProfile): string {
  const columns = lineColumns();
  const most = columns === null ? null : columns - 10;
  const list = (items: readonly string[]) =>
    wrap(items.join(' '), most).replaceAll('\n', `\n${' '.repeat(10)}`);
  return formatFields([
    ['nic', profile.id],
    ['driver', profile.driver],
    ['queues', profile.maxQueues === null ? 'no limit known' : `RSS reaches ${profile.maxQueues}`],
    [
      'table',
      `${tableOf(profile)} entries, filled ${profile.fill === 'modulo' ? 'i mod n' : `by ${profile.fill}`}`,
    ],
    ['key', `${profile.key}, ${profile.keyBytes} bytes`],
    ['types', list(profile.types)],
    ['hash', list([profile.functions.join(', ')])],
    ...(profile.note === '' ? [] : [['note', list([profile.note])] as const]),
  ]);
}

function run(name: string | undefined, flags: { readonly json?: boolean }): void {
  if (name !== undefined && !NIC_NAMES.includes(name)) throw unknownName('NIC', name, NIC_NAMES);
  const profiles = (name === undefined ? NIC_NAMES : [name]).map(nicProfile);
  if (flags.json === true) printJson(name === undefined ? profiles : profiles[0]);
  else if (name !== undefined) print(details(profiles[0]!));
  else print(formatFitting(COLUMNS, profiles.map(row)));
}

/** Adds the command to the program. */
export function register(program: Command): void {
  program
    .command('nics')
    .description('list the NICs that policies know: nic=NAME of rss and pools')
    .argument('[name]', 'all about one')
    .option('--json', 'print JSON')
    .action(run);
}
