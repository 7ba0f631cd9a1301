/**
 * The part of a simulation's page about one policy: what limits, its CPUs over time, tables.
 *
 * Promise: everything shown is in the result; rows beyond `ROWS_MAX` are in the JSON.
 */
import type { Limit, RunResult } from '../simulate/result/result.js';
import { classHeat } from './class-heat.js';
import { CLASS_WORDS } from './cpu-classes.js';
import { bar, type Cell, count, escapeHtml, type Heading, number, percent, table, text } from './html.js';
import { factList } from './page.js';
import { cpuText, rateText } from './sides.js';

/** Rows of a table at most. */
const ROWS_MAX = 256;
/** Longer tables are folded up. */
const FOLDED = 16;

/** A table; a long one is folded up. */
function folded(caption: string, headings: readonly Heading[], rows: readonly Cell[][]): string {
  const all = table(caption, headings, rows);
  return rows.length <= FOLDED
    ? all
    : `<details><summary>${caption}: ${rows.length}</summary>${all}</details>`;
}

const us = (value: number) => (value < 10 ? value.toFixed(2) : count(value));

function limited(limit: Limit | null): string {
  if (limit === null) return '';
  const rows = limit.tried.map(({ kind, name, gain }): Cell[] => [
    text(name),
    text(kind),
    number(gain, (value) => `${(100 * value).toFixed(1)} %`),
  ]);
  const used = limit.utilisation === 0 ? '' : `, ${percent(limit.utilisation)} busy`;
  const found = `<p class="limit"><strong>The limit: ${escapeHtml(limit.name)}</strong>${used} &mdash; ${escapeHtml(limit.why)}.</p>`;
  const headings = [
    { title: 'twice as much of' },
    { title: 'kind' },
    { title: 'gain', hint: 'of throughput' },
  ];
  return `${found}<details><summary>All ${rows.length} suspects that were doubled</summary>${table('What was tried', headings, rows)}</details>`;
}

function cpuTable({ cpus }: RunResult): string {
  const used = CLASS_WORDS.filter(([cls]) => cpus.some(({ classes }) => classes[cls] > 0));
  const rows = cpus
    .slice(0, ROWS_MAX)
    .map(({ id, busyShare, classes }): Cell[] => [
      number(id, String),
      bar(busyShare, busyShare, percent),
      ...used.map(([cls]) => number(classes[cls], percent)),
    ]);
  return folded(
    'CPUs',
    [{ title: 'CPU' }, { title: 'busy' }, ...used.map(([, title, hint]) => ({ title, hint }))],
    rows,
  );
}

function guestTable({ guests }: RunResult): string {
  if (guests.length === 0) return '';
  const most = Math.max(1, ...guests.map(({ packets }) => packets));
  const rows = guests
    .slice(0, ROWS_MAX)
    .map(({ name, packets, latencyUs, cpus, exits, classes, vcpus }): Cell[] => [
      text(name),
      bar(packets, packets / most, count),
      number(latencyUs.p50),
      number(latencyUs.p99),
      number(vcpus.length),
      number(cpus),
      number(exits),
      number(classes.softirq, percent),
      number(classes.app, percent),
    ]);
  const headings = [
    { title: 'guest' },
    { title: 'operations' },
    { title: 'p50 us', hint: 'half of its operations take less' },
    { title: 'p99 us' },
    { title: 'vCPUs' },
    { title: 'host CPUs', hint: 'that worked for it' },
    { title: 'exits a second' },
    { title: 'softirq', hint: "share of its vCPUs' time" },
    { title: 'applications', hint: "share of its vCPUs' time" },
  ];
  return folded('Guests', headings, rows);
}

function lockTable({ locks }: RunResult): string {
  if (locks.length === 0) return '';
  const rows = locks
    .slice(0, ROWS_MAX)
    .map(({ name, utilisation, taken, waits, meanWaitNs }): Cell[] => [
      text(name),
      bar(utilisation, utilisation, percent),
      number(taken),
      number(waits),
      number(meanWaitNs),
    ]);
  const headings = [
    { title: 'lock' },
    { title: 'held', hint: 'or being handed over, part of the time' },
    { title: 'taken' },
    { title: 'waits' },
    { title: 'mean wait ns' },
  ];
  return folded('Locks', headings, rows);
}

function dropTable({ dropped }: RunResult): string {
  const rows = Object.entries(dropped).map(([reason, packets]): Cell[] => [text(reason), number(packets)]);
  return rows.length === 0 ? '' : table('Drops', [{ title: 'reason' }, { title: 'packets' }], rows);
}

/** What changed while it ran. */
function changeList({ changes = [], rebalanced }: RunResult): string {
  const items = changes.map(
    ({ atMs, method, words }) =>
      `<li>at ${Number(atMs.toPrecision(6))} ms (${method}): ${escapeHtml(words.join('; '))}</li>`,
  );
  const moved = rebalanced === undefined ? '' : `<li>the rebalancer moved ${count(rebalanced)}</li>`;
  return items.length === 0 && moved === '' ? '' : `<h3>Changes</h3><ul>${items.join('')}${moved}</ul>`;
}

/** One policy. `index` names the section. */
export function simulationSection(result: RunResult, index: number): string {
  const { policy, latencyUs, packets, reordered, published, recording } = result;
  const facts = factList([
    ['throughput', escapeHtml(rateText(result))],
    ['CPU', escapeHtml(cpuText(result))],
    ['latency p50', `${us(latencyUs.p50)} µs`],
    ['p90', `${us(latencyUs.p90)} µs`],
    ['p99', `${us(latencyUs.p99)} µs`],
    ['p99.9', `${us(latencyUs.p999)} µs`],
    ['packets', `${count(packets.arrived)}, ${count(packets.dropped)} dropped`],
    ['reordered', count(reordered)],
  ]);
  const source =
    published === undefined || published.source === ''
      ? ''
      : `<p class="quiet">Published: ${escapeHtml(published.source)}</p>`;
  return `<section class="policy" id="policy-${index}" data-policy="${index}" aria-labelledby="policy-title-${index}">
<h2 id="policy-title-${index}"><code>${escapeHtml(policy)}</code></h2>
${facts}${source}
${limited(result.limit)}
${changeList(result)}
${recording === undefined ? '' : classHeat(recording, `classes-${index}`)}
${cpuTable(result)}
<div class="columns">
${guestTable(result)}
${lockTable(result)}
${dropTable(result)}
</div>
</section>`;
}
