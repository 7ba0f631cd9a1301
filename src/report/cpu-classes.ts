/**
 * Classes of CPU time as tables and pages of the simulator show them: name, meaning, colour.
 *
 * Promise: one order everywhere, from the device to the application; colours are classes of the style sheet.
 */
import type { CpuClass } from '../simulate/machine/classes.js';
import { escapeHtml, percent } from './html.js';

/** In the order in which a packet meets them; what is no work comes last. */
export const CLASS_WORDS: readonly (readonly [CpuClass, name: string, meaning: string])[] = [
  ['irq', 'interrupts', 'hard interrupts, and those from other CPUs'],
  ['softirq', 'softirq', 'driver, steering, switch, protocol'],
  ['iothread', 'I/O threads', "QEMU's device threads"],
  ['vhost', 'vhost', 'vhost workers and polling switches'],
  ['vcpu', 'vCPUs', 'guests, exits included'],
  ['app', 'applications', 'applications of the host'],
  ['scheduler', 'scheduler', 'context switches'],
  ['idleExit', 'idle exits', 'on the way out of idle'],
  ['lockWait', 'lock waits', 'spinning for a lock'],
  ['poll', 'polling', 'looking for work'],
];

/** A class's name. */
export function classWord(cls: CpuClass): string {
  return CLASS_WORDS.find(([name]) => name === cls)![1];
}

/** Those that occur, with their colours. */
export function classLegend(used: ReadonlySet<CpuClass>): string {
  const items = CLASS_WORDS.filter(([cls]) => used.has(cls)).map(
    ([cls, name, meaning]) =>
      `<li title="${escapeHtml(meaning)}"><span class="swatch c-${cls}"></span>${name}</li>`,
  );
  return `<ul class="legend">${items.join('')}</ul>`;
}

/** `softirq 9.1 %, guests 3.0 %`, largest first. */
export function classText(classes: Partial<Record<CpuClass, number>>): string {
  return CLASS_WORDS.filter(([cls]) => (classes[cls] ?? 0) > 0.0005)
    .sort(([a], [b]) => classes[b]! - classes[a]!)
    .map(([cls, name]) => `${name} ${percent(classes[cls]!)}`)
    .join(', ');
}
