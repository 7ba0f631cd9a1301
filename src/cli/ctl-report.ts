/**
 * What `rxsteer ctl` shows people.
 *
 * Promise: pure functions of the forwarder's answers; every number carries its unit.
 */
import type { ChangeResult, PolicyState, Status } from '../control/controller.js';
import type { RebalanceState } from '../control/watcher.js';
import type { ChangePlan } from '../policy/change-plan.js';
import { colour, formatCount, formatFields, formatRatio, formatTable } from './output.js';

const right = (title: string) => ({ title, align: 'right' as const });
const whole = (n: number) => n.toLocaleString('en-GB');
const plural = (n: number, what: string) => `${whole(n)} ${what}${n === 1 ? '' : 's'}`;
/** Rows of a list that people read; `--json` has all. */
const ROWS_MAX = 32;

function more<T>(all: readonly T[]): string {
  return all.length > ROWS_MAX ? `\n… and ${whole(all.length - ROWS_MAX)} more (--json has all)` : '';
}

function mayText({ capabilities, dropped }: Status['privileges']): string {
  if (dropped) return 'nothing that needs a capability (--drop)';
  return capabilities.length === 0 ? 'nothing that needs a capability' : capabilities.join(', ');
}

export function renderStatus(status: Status & { readonly rebalance: string }, socket: string): string {
  const seconds = status.uptimeMs / 1000;
  return formatFields([
    ['process', `${status.pid} (rxsteer ${status.version})`],
    ['socket', socket],
    ['running for', seconds < 120 ? `${seconds.toFixed(1)} s` : `${(seconds / 60).toFixed(1)} min`],
    ['policy', `${status.policy} (${status.mode}, order ${status.order})`],
    ['workers', `${status.workers} of at most ${status.maxWorkers}`],
    ['ports', status.ports.map(({ name, kind }) => `${name} (${kind})`).join(', ')],
    ['received', whole(status.received)],
    ['dropped', whole(status.dropped)],
    ['reordered', status.reordered === 0 ? '0' : colour.red(whole(status.reordered))],
    ['in flight', whole(status.inFlight)],
    ['rebalance', status.rebalance],
    ['changing', status.changing ?? 'nothing'],
    ['last change', status.lastChange ?? 'none'],
    ['to roll back', plural(status.rollbacks, 'change')],
    ['may', mayText(status.privileges)],
  ]);
}

/** Queues of a table as runs: `0-31: 0 1 2 3 …`, sixteen a line. */
function tableText(table: readonly number[]): string {
  const widest = String(Math.max(...table)).length;
  const label = String(table.length).length;
  const rows: string[] = [];
  for (let at = 0; at < table.length; at += 32) {
    const cells = table.slice(at, at + 32).map((queue) => String(queue).padStart(widest));
    rows.push(`${String(at).padStart(label)}  ${cells.join(' ')}`);
  }
  return rows.join('\n');
}

export function renderPolicy(state: PolicyState): string {
  const { policy, spec, order, workers, table, changedEntries, owners, history } = state;
  const fields: [string, string][] = [
    ['policy', policy],
    ['kind', `${spec.policy}, stage ${spec.stage}, order ${order}, seed ${spec.seed}`],
    ['workers', String(workers)],
  ];
  if (table !== null) {
    const changed =
      changedEntries === 0
        ? ''
        : `, ${plural(changedEntries, 'entry').replace('entrys', 'entries')} changed since`;
    fields.push(['table', `${plural(table.length, 'bucket')}${changed}`]);
  }
  if (owners !== null) fields.push(['guests', whole(owners.length)]);
  if (history.length > 0) fields.push(['to roll back', history.at(-1)!]);
  const parts = [formatFields(fields)];
  if (table !== null) parts.push(tableText(table));
  if (owners !== null && owners.length > 0) {
    const rows = owners
      .slice(0, ROWS_MAX)
      .map(({ mac, vlan, worker, portName }) => [
        mac,
        vlan === null ? 'any' : String(vlan),
        String(worker),
        portName === null ? 'configured' : `port ${portName}`,
      ]);
    parts.push(
      formatTable([{ title: 'guest' }, right('VLAN'), right('worker'), { title: 'from' }], rows) +
        more(owners),
    );
  }
  return parts.join('\n\n');
}

/** Loads of the workers before and after. */
function balanceTable({ before, after }: ChangePlan): string {
  const share = (loads: readonly number[], worker: number) => {
    const all = loads.reduce((a, b) => a + b, 0);
    return formatRatio(all === 0 ? 0 : (loads[worker] ?? 0) / all);
  };
  const count = Math.max(before.workers.length, after.workers.length);
  const rows = Array.from({ length: count }, (_, worker) => [
    String(worker),
    formatCount(before.workers[worker] ?? 0),
    share(before.workers, worker),
    formatCount(after.workers[worker] ?? 0),
    share(after.workers, worker),
  ]);
  return formatTable(
    [right('worker'), right('packets now'), right('share'), right('then'), right('share')],
    rows,
  );
}

export function renderPlan(plan: ChangePlan): string {
  const parts = [plan.words.map((line) => `- ${line}`).join('\n')];
  if (plan.packets.seen > 0) parts.push(balanceTable(plan));
  if (plan.guests.moved.length > 0) {
    const rows = plan.guests.moved
      .slice(0, ROWS_MAX)
      .map(({ mac, vlan, from, to }) => [mac, String(vlan), from.join(' '), to.join(' ')]);
    const table = formatTable(
      [{ title: 'guest that moves' }, right('VLAN'), { title: 'from workers' }, { title: 'to workers' }],
      rows,
    );
    parts.push(table + more(plan.guests.moved));
  }
  return parts.join('\n\n');
}

export function renderChange(result: ChangeResult): string {
  const lines: string[] = [];
  if (result.plan !== null) lines.push(renderPlan(result.plan), '');
  if (!result.applied) {
    lines.push(result.plan?.method === 'none' ? 'nothing to do' : 'not applied (dry run)');
    return lines.join('\n');
  }
  for (const change of result.changes.slice(0, ROWS_MAX)) {
    const pauses = change.pauses.map(({ ms }) => ms);
    const paused =
      pauses.length === 0
        ? 'no pause'
        : `${plural(pauses.length, 'worker')} paused, the longest ${Math.max(...pauses).toFixed(2)} ms`;
    lines.push(`done: ${change.text}: ${change.durationMs.toFixed(1)} ms, ${paused}`);
    if (change.pending.length > 0) {
      lines.push(`workers that have not followed yet: ${change.pending.join(', ')}`);
    }
  }
  return lines.join('\n') + more(result.changes);
}

export function renderRebalance({ mode, settings, last, due, acted, moved }: RebalanceState): string {
  const fields: [string, string][] = [
    ['mode', mode],
    [
      'uneven above',
      `${settings.threshold} times the fair share, for ${plural(settings.intervals, 'interval')}`,
    ],
    ['least gain', `${settings.gain} fair shares`],
    ['moves', `${settings.moves} at a time at most, until within ${settings.bound}`],
    ['frozen', settings.freeze.length === 0 ? 'nothing' : settings.freeze.join(', ')],
    ['due', `${plural(due, 'time')}, done ${plural(acted, 'time')} (${plural(moved, 'move')})`],
    ['now', last?.why ?? 'not looked yet'],
  ];
  const text = formatFields(fields);
  if (last === null || last.moves.length === 0) return text;
  const rows = last.moves
    .slice(0, ROWS_MAX)
    .map(({ name, from, to, packets }) => [name, `${from} -> ${to}`, formatCount(packets)]);
  const table = formatTable([{ title: 'move' }, { title: 'worker' }, right('packets')], rows);
  return `${text}\n\n${table}${more(last.moves)}`;
}
