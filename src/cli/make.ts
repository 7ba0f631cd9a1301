/**
 * `rxsteer make`: captures of made traffic, and captures spread over other flows or guests.
 *
 * Promise: the same flags give the same bytes; what was made is summarised on standard output (on standard error
 * where the capture goes to standard output). A wrong call writes nothing, not even an empty file.
 */
import type { Command } from 'commander';
import { captureName } from '../capture/plain.js';
import { openCapture } from '../capture/stream.js';
import { checkCaptureName } from '../capture/writer.js';
import { TrafficMaker } from '../traffic/maker.js';
import { formatOf, MADE_FORMATS, RecordEncoder } from '../traffic/records.js';
import { openSink } from '../traffic/sink.js';
import { spreadCapture } from '../traffic/spread.js';
import type { MadeSummary } from '../traffic/summary.js';
import { FlowShares, surveyCapture } from '../traffic/survey.js';
import { writeTraffic } from '../traffic/write.js';
import { type MakeFlags, makePlan, spreadPlan } from './make-options.js';
import {
  formatBytes,
  formatCount,
  formatFields,
  formatRatio,
  note,
  noteLine,
  Progress,
  print,
  printJson,
} from './output.js';
import { checkOutput } from './outputs.js';

/** Where the summary goes, and in which form. */
function tell(file: string, json: boolean, document: object, fields: (readonly [string, string])[]): void {
  if (file !== '-') {
    if (json) printJson(document);
    else print(formatFields(fields));
  } else if (json) note(JSON.stringify(document));
}

function plural(count: number, what: string): string {
  return `${formatCount(count)} ${what}${count === 1 ? '' : 's'}`;
}

function madeFields(file: string, made: MadeSummary): (readonly [string, string])[] {
  const rows: [string, string][] = [
    ['file', file],
    ['packets', `${made.packets}, ${formatBytes(made.bytes)}, ${made.seconds.toPrecision(4)} s`],
    ['flows', made.innerFlows > 0 ? `${made.flows}, ${made.innerFlows} inside tunnels` : String(made.flows)],
    ['guests', String(made.guests)],
  ];
  const fragments = made.fragments + made.innerFragments;
  if (fragments > 0) {
    const inside = made.innerFragments > 0 ? `, ${made.innerFragments} of them inside tunnels` : '';
    rows.push(['fragments', `${fragments} (${formatRatio(fragments / made.packets)})${inside}`]);
  }
  if (made.vlanTagged > 0) rows.push(['tagged', String(made.vlanTagged)]);
  if (made.imbalance !== null) {
    const { policy, queue, share, queues } = made.imbalance;
    rows.push(['policy', policy], ['hot', `queue ${queue} with ${formatRatio(share)} of the packets`]);
    const shown = queues.slice(0, 16).map((count, q) => `${q}: ${formatCount(count)}`);
    rows.push(['queues', `${shown.join('  ')}${queues.length > 16 ? '  …' : ''}`]);
  }
  return rows;
}

async function make(file: string, flags: MakeFlags, encoder: RecordEncoder, gzip: boolean): Promise<void> {
  const plan = makePlan(flags);
  const maker = new TrafficMaker(plan);
  const sink = openSink(file, gzip);
  const progress = new Progress('made');
  const made = await writeTraffic(maker, encoder, sink, (ratio) => progress.update(ratio));
  await sink.close();
  progress.done();
  const document = {
    file: file === '-' ? null : file,
    format: encoder.format,
    gzip,
    seed: plan.seed,
    ...made,
  };
  tell(file, flags.json === true, document, madeFields(file, made));
}

async function spread(file: string, flags: MakeFlags, encoder: RecordEncoder, gzip: boolean): Promise<void> {
  const plan = spreadPlan(flags);
  const from = flags.from!;
  checkOutput('', file, [from]);
  const flows =
    plan.flows === 0
      ? null
      : new FlowShares(await surveyCapture(await openCapture(from)), plan.flows, plan.zipf, plan.seed);
  const options = { ...plan, flows };
  const input = await openCapture(from);
  const sink = openSink(file, gzip);
  const progress = new Progress('spread');
  const made = await spreadCapture(input, options, encoder, sink, (packets) =>
    progress.update(plural(packets, 'packet')),
  );
  await sink.close();
  progress.done();
  if (made.warning !== null) noteLine(`rxsteer: warning: ${made.warning}`);
  const out = { file: file === '-' ? null : file, format: encoder.format, gzip, seed: plan.seed };
  tell(file, flags.json === true, { ...out, from: captureName(from), ...made }, [
    ['file', file],
    ['from', captureName(from)],
    ['packets', `${made.packets}, ${formatBytes(made.bytes)}`],
    ['flows', String(made.flows)],
    ['guests', String(made.guests)],
    ...(made.fragments > 0 ? [['fragments', String(made.fragments)] as const] : []),
    ...(made.notIp > 0 ? [['not IP', String(made.notIp)] as const] : []),
    ...(made.unchanged > 0 ? [['unchanged', `${made.unchanged} (damaged, or Mobile IPv6)`] as const] : []),
  ]);
}

export function register(program: Command): void {
  program
    .command('make')
    .description('make a capture: traffic of a wanted shape, or a capture spread over flows or guests')
    .argument('<file>', 'capture to write; .pcapng and .gz by name, - is standard output')
    .option('--packets <n>', 'packets (default: 100k)')
    .option('--flows <n>', 'flows (default: 1000)')
    .option('--clients <n>', 'client addresses (default: one a flow)')
    .option('--guests <n>', 'guests: destination MAC and IP addresses (default: 1)')
    .option('--zipf <s>', 'skew of flow sizes: 1 / rank^s (default: 0, all alike)')
    .option('--elephants <n>', 'so many flows share --elephant-share of the packets')
    .option('--elephant-share <share>', '0 to 1')
    .option(
      '--size <size>',
      'frame bytes: imix (60, 590, 1514 as 7:4:1), a number, or 60-1514 (default: imix)',
    )
    .option('--protocols <weights>', 'of the flows: tcp=0.8,udp=0.1,sctp=0.05,icmp=0.05 (default: tcp)')
    .option('--ipv6 <share>', 'share of IPv6 flows (default: 0)')
    .option('--vlans <n>', 'VLANs, spread over the guests (default: none)')
    .option('--qinq', 'a second, outer tag (802.1ad)')
    .option(
      '--tunnels <shares>',
      'flows inside tunnels: vxlan=0.5,gre=0.1; vxlan, gre, nvgre, ipip, 6in4, geneve, gtpu, mpls, pppoe',
    )
    .option('--tunnel-ends <n>', 'tunnel ends on the clients side (default: 2)')
    .option('--fragments <share>', 'share of packets that are IP fragments (default: 0)')
    .option('--both-ways', 'answers too: both directions of each flow')
    .option('--rate <pps>', 'packets a second of the capture clock (default: 1M)')
    .option('--arrivals <process>', 'constant, poisson, or bursts (default: constant)')
    .option('--burst <n>', 'packets of one burst (default: 32)')
    .option('--start <seconds>', 'time of the first packet since 1970 (default: 1700000000)')
    .option('--imbalance <policy>', 'uneven under this policy: see --hot-queue and --share')
    .option('--hot-queue <q>', 'the queue (the worker, for rps) that gets --share of the packets')
    .option('--share <share>', '0 to 1')
    .option('--hot-flows <n>', 'flows of the hot queue (default: their share of all flows)')
    .option('--from <capture>', 'spread this capture instead: see --as-flows and --as-macs')
    .option('--as-flows <n>', 'the packets of the capture as so many flows')
    .option('--as-macs <n>', 'the packets of the capture to so many guests')
    .option('--keep-flows', 'packets of one flow of the capture stay together')
    .option('--seed <n>', 'the same seed gives the same bytes (default: 1)')
    .option('--format <format>', `${MADE_FORMATS.join(', ')} (default: by name; pcap has nanoseconds)`)
    .option('--gzip', 'compress (default: by name)')
    .option('--json', 'print JSON (on standard error where the capture goes to standard output)')
    .allowExcessArguments(false)
    .action(async (file: string, flags: MakeFlags) => {
      checkCaptureName(file, true);
      const encoder = new RecordEncoder(formatOf(file, flags.format, '--format'));
      const gzip = flags.gzip === true || /\.gz$/i.test(file);
      if (flags.from === undefined) await make(file, flags, encoder, gzip);
      else await spread(file, flags, encoder, gzip);
    });
}
