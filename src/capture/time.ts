/**
 * Timestamps of pcapng: a 64-bit count of ticks, in units that each interface states.
 *
 * Promise: exact for every decimal unit down to nanoseconds (rounded down for finer ones), without BigInt for the
 * units that occur.
 */

/** Ticks per second up to which the 16-bit long division below stays exact: (U - 1) * 65536 + 65535 < 2^53. */
const EXACT_UNITS = 1e11;

export class TickClock {
  /** The last result. */
  seconds = 0;
  nanoseconds = 0;
  private readonly perSecond: number;
  private readonly exact: bigint;

  /**
   * @param resolution the option if_tsresol: 10^-n, or 2^-n when bit 7 is set
   * @param offset the option if_tsoffset: seconds to add
   */
  constructor(
    resolution: number,
    private readonly offset: number,
  ) {
    const power = resolution & 0x7f;
    this.exact = (resolution & 0x80) === 0 ? 10n ** BigInt(power) : 2n ** BigInt(power);
    this.perSecond = Number(this.exact);
  }

  /** Converts a count of ticks, given as two unsigned 32-bit halves, into `seconds` and `nanoseconds`. */
  set(high: number, low: number): void {
    const unit = this.perSecond;
    if (unit > EXACT_UNITS) {
      const ticks = (BigInt(high) << 32n) | BigInt(low);
      const rest = ticks % this.exact;
      this.seconds = Number(ticks / this.exact) + this.offset;
      this.nanoseconds = Number((rest * 1_000_000_000n) / this.exact);
      return;
    }
    // Long division in base 2^16.
    let rest = 0;
    let seconds = 0;
    for (let i = 0; i < 4; i++) {
      const half = i < 2 ? high : low;
      const digit = (i & 1) === 0 ? half >>> 16 : half & 0xffff;
      const value = rest * 65_536 + digit;
      const quotient = Math.floor(value / unit);
      rest = value - quotient * unit;
      seconds = seconds * 65_536 + quotient;
    }
    this.seconds = seconds + this.offset;
    const scale = 1e9 / unit;
    // Whole scale (10^0 … 10^9): exact. Otherwise rest / unit is a fraction below 1.
    this.nanoseconds = Number.isInteger(scale) ? rest * scale : Math.floor((rest / unit) * 1e9);
  }
}
