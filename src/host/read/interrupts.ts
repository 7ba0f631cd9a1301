/**
 * /proc/interrupts: who gets how many interrupts, on which CPU.
 *
 * Promise: columns belong to the CPUs that the header names, whatever their number; a row's actions are what follows
 * chip, hardware number and trigger, whose number and form differ by kernel and architecture. Rows with letters (NMI,
 * CAL, …) are left out. Pure.
 *
 * Source: show_interrupts (kernel/irq/proc.c), 3.x to 6.18.
 */

import { type Fact, map } from '../fact.js';
import type { Source } from '../source/source.js';

/** A row. */
export interface InterruptRow {
  readonly irq: number;
  /** Names of the actions; several where the line is shared. */
  readonly actions: readonly string[];
  /** Chip: `PCI-MSI`, `IO-APIC`, … */
  readonly chip: string;
  /** Interrupts since boot, on all CPUs together. */
  readonly total: number;
}

/** The file. */
export interface Interrupts {
  /** CPU of each column. */
  readonly cpus: readonly number[];
  readonly rows: readonly InterruptRow[];
}

/**
 * Words between the chip and the actions: the hardware number with or without its trigger (`49153-edge`), or number and
 * trigger apart (`30 Level`, ARM); and the trigger as part of the chip's name (`PCI-MSI-edge`).
 */
const HARDWARE = /^\d+(-(edge|fasteoi|level|percpu|event|none|hyperv|x-\w+|[a-z]+))?$/i;
const TRIGGER = /^(Edge|Level|None|edge|level|fasteoi)$/;

const SPACE = 32;
const ZERO = 48;

/** @param wanted which rows' counts are of interest; others are not parsed */
export function parseInterrupts(text: string, wanted: (irq: number) => boolean = () => true): Interrupts {
  const reader = new InterruptReader(wanted);
  for (const line of text.split('\n')) reader.see(line);
  return reader;
}

/** The file of a source, line by line: with 1152 CPUs it is 25 MiB. @param isKept which rows are kept */
export function readInterrupts(
  source: Source,
  wanted: (irq: number) => boolean,
  isKept: (row: InterruptRow) => boolean = () => true,
): Fact<Interrupts> {
  const reader = new InterruptReader(wanted, isKept);
  return map(
    source.eachLine('/proc/interrupts', (line) => reader.see(line)),
    () => reader,
  );
}

/** Sees the lines one after the other, the header first. */
class InterruptReader implements Interrupts {
  #cpus: number[] | null = null;
  readonly rows: InterruptRow[] = [];

  constructor(
    private readonly wanted: (irq: number) => boolean,
    private readonly isKept: (row: InterruptRow) => boolean = () => true,
  ) {}

  get cpus(): readonly number[] {
    return this.#cpus ?? [];
  }

  see(line: string): void {
    if (this.#cpus === null) {
      this.#cpus = [...line.matchAll(/CPU(\d+)/g)].map(([, cpu]) => Number(cpu));
      return;
    }
    const colon = line.indexOf(':');
    const irq = colon < 0 ? Number.NaN : Number(line.slice(0, colon).trim() || 'x');
    if (!Number.isInteger(irq) || !this.wanted(irq)) return;
    const row = rowOf(irq, line.slice(colon + 1), this.#cpus.length);
    if (this.isKept(row)) this.rows.push(row);
  }
}

/** Digit by digit: a row of 1152 CPUs as words would be a megabyte of garbage for a hundred rows. */
function rowOf(irq: number, line: string, columns: number): InterruptRow {
  let total = 0;
  let at = 0;
  for (let column = 0; column < columns; column++) {
    while (line.charCodeAt(at) === SPACE) at++;
    const from = at;
    let value = 0;
    for (
      let digit = line.charCodeAt(at) - ZERO;
      digit >= 0 && digit <= 9;
      digit = line.charCodeAt(at) - ZERO
    ) {
      value = 10 * value + digit;
      at++;
    }
    // Fewer counts than columns: the words begin here.
    if (from === at || (at < line.length && line.charCodeAt(at) !== SPACE)) {
      at = from;
      break;
    }
    total += value;
  }
  const words = line.slice(at).trim().split(/\s+/);
  // A chip's name may have blanks in it, and Xen has none before its dynamic events.
  const chip: string[] = [];
  while (words.length > 0 && !HARDWARE.test(words[0]!) && chip.length < 3) {
    if (chip.length > 0 && words.length === 1) break;
    chip.push(words.shift()!);
    // "PCI-MSI-edge eth0", "xen-dyn-event eth0-q0-tx": chip and trigger in one word, no number behind it.
    if (/-(edge|event|level|ipi|fasteoi|virq)$/.test(chip[0]!) && !HARDWARE.test(words[0] ?? '')) break;
  }
  if (words.length > 0 && HARDWARE.test(words[0]!)) words.shift();
  if (words.length > 1 && TRIGGER.test(words[0]!)) words.shift();
  const actions = words
    .join(' ')
    .split(/,\s*/)
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return { irq, actions, chip: chip.join(' '), total };
}
