/**
 * RSS contexts: the main table and key of a NIC, and further ones that flow rules may choose.
 *
 * Promise: ids are given as ethtool does (the lowest free one from 1); what ethtool and the kernel refuse is a
 * UserError, and then nothing has changed. One writer.
 *
 * Source: the ethtool user-space tool (`-X context new|N …`), the kernel's ethtool core (checks of queues in use
 * by tables), and its selftest of RSS contexts.
 */
import { UserError } from '../errors.js';
import { type DefaultFill, IndirectionTable } from './indirection-table.js';

/** What is set of a context; what is absent stays as it is (for a new one: the default fill, the main key). */
export interface ContextChange {
  readonly equal?: number;
  readonly weight?: readonly number[];
  readonly start?: number;
  readonly entries?: readonly number[];
  /** The driver's default fill; main context only. */
  readonly isDefault?: boolean;
  readonly key?: Uint8Array;
}

/** An RSS context: an indirection table and a key under an id. */
export interface RssContext {
  readonly id: number;
  readonly table: IndirectionTable;
  readonly key: Uint8Array;
}

/** Of a NIC's contexts: entries of each table, queues, the main key, the default fill. */
export interface RssContextsOptions {
  readonly size: number;
  readonly queues: number;
  readonly key: Uint8Array;
  readonly fill?: DefaultFill;
  /** Contexts beside the main one. */
  readonly most?: number;
}

export const MAIN_CONTEXT = 0;

/** The RSS contexts of a NIC, the main one (`MAIN_CONTEXT`) included. One writer. */
export class RssContexts {
  readonly #fill: DefaultFill;
  readonly #most: number;
  readonly #contexts = new Map<number, RssContext>();
  /** Uses of a context by flow rules; deletion is refused while there are any. */
  readonly #uses = new Map<number, number>();
  #queues: number;
  #size: number;
  /** Counts changes, for whoever keeps something that it computed from a context. */
  version = 0;

  constructor(options: RssContextsOptions) {
    this.#fill = options.fill ?? 'modulo';
    this.#most = options.most ?? 255;
    this.#queues = options.queues;
    this.#size = options.size;
    const table = new IndirectionTable(options.size, options.queues, this.#fill);
    this.#contexts.set(MAIN_CONTEXT, { id: MAIN_CONTEXT, table, key: options.key.slice() });
  }

  /** Queues that tables may name. */
  get queues(): number {
    return this.#queues;
  }

  /** Context 0. */
  get main(): RssContext {
    return this.#contexts.get(MAIN_CONTEXT)!;
  }

  /** Ids, the main context's 0 first. */
  get ids(): number[] {
    return [...this.#contexts.keys()].sort((a, b) => a - b);
  }

  /** @throws UserError for one that does not exist. */
  get(id: number): RssContext {
    const found = this.#contexts.get(id);
    if (found !== undefined) return found;
    throw new UserError(`RSS context ${id} does not exist; contexts: ${this.ids.join(', ')}`);
  }

  /** Id of a new context. */
  create(change: ContextChange = {}): number {
    if (this.#contexts.size > this.#most) {
      throw new UserError(`RSS contexts: all ${this.#most} are in use`);
    }
    if (change.isDefault === true) throw new UserError('RSS context: default goes with context 0 only');
    let id = 1;
    while (this.#contexts.has(id)) id++;
    const fresh = new IndirectionTable(this.#size, this.#queues, this.#fill);
    this.#contexts.set(id, this.#changed({ id, table: fresh, key: this.main.key }, change));
    this.version++;
    return id;
  }

  /** Changes what is given of a context. @throws UserError for what ethtool refuses. */
  modify(id: number, change: ContextChange): void {
    if (change.isDefault === true && id !== MAIN_CONTEXT) {
      throw new UserError(`RSS context ${id}: default goes with context 0 only`);
    }
    this.#contexts.set(id, this.#changed(this.get(id), change));
    this.version++;
  }

  /** Takes a context away. @throws UserError for the main one, and while a flow rule uses it. */
  delete(id: number): void {
    this.get(id);
    if (id === MAIN_CONTEXT) throw new UserError('RSS context 0 is the main one: it cannot be deleted');
    const uses = this.#uses.get(id) ?? 0;
    if (uses > 0) throw new UserError(`RSS context ${id} is in use by ${uses} flow rules: delete them first`);
    this.#contexts.delete(id);
    this.version++;
  }

  /** A flow rule uses a context (+1), or does so no longer (-1). */
  use(id: number, change: 1 | -1): void {
    this.get(id);
    this.#uses.set(id, (this.#uses.get(id) ?? 0) + change);
  }

  /** Another number of queues. @throws UserError where a configured table uses one that would vanish. */
  setQueues(queues: number): void {
    const next = this.ids.map((id) => {
      const context = this.get(id);
      return this.#attempt(id, () => ({ ...context, table: context.table.withQueues(queues, this.#fill) }));
    });
    for (const context of next) this.#contexts.set(context.id, context);
    this.#queues = queues;
    this.version++;
  }

  /** Another table size, for NICs whose size depends on the queues. */
  resize(size: number): void {
    const next = this.ids.map((id) => {
      const context = this.get(id);
      return this.#attempt(id, () => ({ ...context, table: context.table.resized(size, this.#fill) }));
    });
    for (const context of next) this.#contexts.set(context.id, context);
    this.#size = size;
    this.version++;
  }

  #changed(context: RssContext, change: ContextChange): RssContext {
    const { equal, weight, entries, start = 0, key } = change;
    const ways = [equal, weight, entries, change.isDefault === true ? true : undefined];
    if (ways.filter((way) => way !== undefined).length > 1) {
      throw new UserError(`RSS context ${context.id}: one of equal, weight, entries, default is enough`);
    }
    if (change.start !== undefined && equal === undefined && weight === undefined) {
      throw new UserError(`RSS context ${context.id}: start goes with equal or weight`);
    }
    if (key !== undefined && key.length !== context.key.length) {
      throw new UserError(
        `RSS context ${context.id}: key of ${key.length} bytes; permitted: ${context.key.length} bytes`,
      );
    }
    return this.#attempt(context.id, () => {
      const table = new IndirectionTable(this.#size, this.#queues, this.#fill);
      if (context.table.configured) table.setAll(context.table.entries);
      if (equal !== undefined) table.fillEqual(equal, start);
      else if (weight !== undefined) table.fillWeight(weight, start);
      else if (entries !== undefined) table.setAll(entries);
      else if (change.isDefault === true) table.fillDefault(this.#fill);
      return { id: context.id, table, key: key === undefined ? context.key : key.slice() };
    });
  }

  /** Names the context in what its table refuses. */
  #attempt(id: number, act: () => RssContext): RssContext {
    try {
      return act();
    } catch (error) {
      if (error instanceof UserError) throw new UserError(`RSS context ${id}: ${error.message}`);
      throw error;
    }
  }
}
