/**
 * Figures of things that come and go, one a second, for the last `ROWS` seconds.
 *
 * Promise: all memory is taken at the start and its size is known (`bytes`); pages of things that never came are never
 * touched. A thing that has gone keeps its figures as long as no newcomer needs its place, and as long as any of its
 * seconds is remembered. Nothing here allocates while it runs.
 *
 * Main thread only.
 */

/** Seconds that are remembered. */
export const ROWS = 600;

/** What is kept of a thing besides its figures. */
interface Place {
  readonly key: string;
  /** The first and the last row that was written. */
  first: number;
  last: number;
}

export class Series<F extends string> {
  readonly bytes: number;
  /** Things that found no place. */
  refused = 0;
  private readonly figures: Float32Array;
  /** What each counter said last. */
  private readonly said: Float64Array;
  private readonly places: (Place | null)[];
  private readonly byKey = new Map<string, number>();

  /**
   * @param slots things that there can be at a time
   * @param fields names of the figures of each
   */
  constructor(
    slots: number,
    readonly fields: readonly F[],
  ) {
    this.figures = new Float32Array(slots * fields.length * ROWS);
    this.said = new Float64Array(slots * fields.length);
    this.places = new Array<Place | null>(slots).fill(null);
    this.bytes = this.figures.byteLength + this.said.byteLength;
  }

  /** The place of a thing in this row, its own or a free one; -1 where there is none. */
  open(key: string, row: number): number {
    const known = this.byKey.get(key);
    if (known !== undefined) {
      this.enter(known, row);
      return known;
    }
    const place = this.freePlace(row);
    if (place < 0) {
      this.refused++;
      return -1;
    }
    this.give(place, key, row);
    return place;
  }

  /** Gives a place to another thing, whatever was there. */
  give(place: number, key: string, row: number): void {
    const before = this.places[place];
    if (before) this.byKey.delete(before.key);
    const width = this.fields.length;
    this.figures.fill(0, place * width * ROWS, (place + 1) * width * ROWS);
    this.said.fill(0, place * width, (place + 1) * width);
    this.places[place] = { key, first: row, last: row };
    this.byKey.set(key, place);
  }

  /** Seconds that were missed are seconds without anything. */
  private enter(place: number, row: number): void {
    const at = this.places[place]!;
    const from = Math.max(at.last + 1, row - ROWS + 1);
    const width = this.fields.length;
    for (let missed = from; missed <= row; missed++) {
      for (let field = 0; field < width; field++) {
        this.figures[(place * width + field) * ROWS + (missed % ROWS)] = 0;
      }
    }
    at.last = row;
  }

  /** A place that nobody has; else that of the thing that has gone longest ago. */
  private freePlace(row: number): number {
    let oldest = -1;
    for (let place = 0; place < this.places.length; place++) {
      const at = this.places[place];
      if (at === null || at === undefined) return place;
      if (at.last < row - 1 && (oldest < 0 || at.last < this.places[oldest]!.last)) oldest = place;
    }
    return oldest;
  }

  /** Enters a figure of this row. */
  set(place: number, field: number, row: number, value: number): void {
    this.figures[(place * this.fields.length + field) * ROWS + (row % ROWS)] = value;
  }

  /** Enters what a counter has counted since the last row; one that says less than before began anew. */
  count(place: number, field: number, row: number, value: number): number {
    const at = place * this.fields.length + field;
    const before = this.said[at]!;
    const since = value >= before ? value - before : value;
    this.said[at] = value;
    this.set(place, field, row, since);
    return since;
  }

  /** What a counter had counted before its thing came: the first row is about what it has counted since. */
  begin(place: number, field: number, value: number): void {
    this.said[place * this.fields.length + field] = value;
  }

  /** The place of a thing that is known; -1 for others. */
  placeOf(key: string): number {
    return this.byKey.get(key) ?? -1;
  }

  at(place: number, field: number, row: number): number {
    return this.figures[(place * this.fields.length + field) * ROWS + (row % ROWS)]!;
  }

  /** Things with a figure in the rows from `from` on, in the order of their places. */
  *present(from: number): Generator<{ key: string; place: number; last: number }> {
    for (let place = 0; place < this.places.length; place++) {
      const at = this.places[place];
      if (at && at.last >= from) yield { key: at.key, place, last: at.last };
    }
  }

  /** The figures of a field in the rows `from` to `to`, the last one included; 0 where the thing was not there. */
  column(place: number, field: number, from: number, to: number): number[] {
    const { first, last } = this.places[place] ?? { first: 0, last: -1 };
    const out: number[] = [];
    for (let row = from; row <= to; row++) {
      out.push(row < first || row > last ? 0 : rounded(this.at(place, field, row)));
    }
    return out;
  }
}

/** Single precision has seven digits; more would be made up. */
function rounded(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(6));
}
