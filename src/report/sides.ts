/**
 * Policies side by side: throughput, and CPU time by class, one row a policy.
 *
 * Promise: HTML and style only, so that text keeps its size on a phone; bars of one column have one scale.
 */
import type { RunResult } from '../simulate/result/result.js';
import { CLASS_WORDS, classText } from './cpu-classes.js';
import { count, escapeHtml, percent } from './html.js';

const part = (value: number) => `${(100 * Math.max(0, Math.min(1, value))).toFixed(2)}%`;

/** `139,000 transactions/s ± 0.6 %`. */
export function rateText({ throughput: { value, unit, ci95 } }: RunResult): string {
  const half = value === 0 ? 0 : (ci95[1] - ci95[0]) / 2 / value;
  return `${count(value)} ${unit} ± ${percent(half)}`;
}

/** `17.0 % of 16 CPUs, 19.6 µs each`. */
export function cpuText({ cpu: { busyShare, usPerOperation }, cpus }: RunResult): string {
  const each = usPerOperation === 0 ? '' : `, ${usPerOperation.toFixed(2)} µs each`;
  return `${percent(busyShare)} of ${cpus.length} CPU${cpus.length === 1 ? '' : 's'}${each}`;
}

function rateBar(result: RunResult, most: number): string {
  const { value, ci95 } = result.throughput;
  const [low, high] = ci95.map((edge) => part(edge / most)) as [string, string];
  return `<div class="gauge" role="img" aria-label="${escapeHtml(rateText(result))}"><i class="rate" style="width:${part(value / most)}"></i><b style="left:${low};width:calc(${high} - ${low})"></b></div><span>${escapeHtml(rateText(result))}</span>`;
}

function cpuBar(result: RunResult, most: number): string {
  const { classes } = result.cpu;
  const pieces = CLASS_WORDS.filter(([cls]) => classes[cls] > 0).map(
    ([cls, name]) =>
      `<i class="c-${cls}" style="width:${part(classes[cls] / most)}" title="${name} ${percent(classes[cls])}"></i>`,
  );
  const label = `${cpuText(result)}: ${classText(classes)}`;
  return `<div class="gauge" role="img" aria-label="${escapeHtml(label)}">${pieces.join('')}</div><span>${escapeHtml(cpuText(result))}</span>`;
}

/** All of them. */
export function sidesOf(results: readonly RunResult[]): string {
  const fastest = Math.max(1e-9, ...results.map(({ throughput }) => throughput.ci95[1]));
  const busiest = Math.max(1e-9, ...results.map(({ cpu }) => cpu.busyShare));
  const rows = results.map(
    (result) =>
      `<div class="side"><code>${escapeHtml(result.policy)}</code><div>${rateBar(result, fastest)}</div><div>${cpuBar(result, busiest)}</div></div>`,
  );
  return `<div class="sides"><div class="side heads"><span>policy</span><span>throughput, with its 95 % interval</span><span>CPU time by class</span></div>${rows.join('')}</div>`;
}
