/** What CPU time goes to, and what the choice of work says. */

/** What CPU time goes to. The first eight are those of the result; the rest is told beside them. */
export const CLASSES = [
  'irq',
  'softirq',
  'vhost',
  'iothread',
  'vcpu',
  'app',
  'lockWait',
  'idleExit',
  'poll',
  'scheduler',
] as const;
/** A class by name. */
export type CpuClass = (typeof CLASSES)[number];
/** Numbers of the classes. */
export const Class = {
  irq: 0,
  softirq: 1,
  vhost: 2,
  iothread: 3,
  vcpu: 4,
  app: 5,
  lockWait: 6,
  idleExit: 7,
  poll: 8,
  scheduler: 9,
} as const;

/** What the choice of work says. */
export const Pick = {
  /** Nothing to do. */
  nothing: 0,
  /** A packet is loaded. */
  packet: 1,
  /** Time was spent, choose again when it has passed. */
  spent: 2,
  /** Look for work actively until `cpu.pollUntil`. */
  poll: 3,
} as const;
