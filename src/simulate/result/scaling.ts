/**
 * The Universal Scalability Law, fitted to throughputs at several sizes.
 *
 * Promise: pure; exact points give their constants back. X(N) = lambda N / (1 + sigma (N-1) + kappa N (N-1)): sigma is the
 * serial share (Amdahl's law has nothing else), kappa the cost of keeping everybody coherent.
 */
import { UserError } from '../../errors.js';

/** Constants of the law. */
export interface Scaling {
  readonly lambda: number;
  readonly sigma: number;
  readonly kappa: number;
  /** Where throughput is highest; infinity where it never falls. */
  readonly peak: number;
}

/** Throughput that the law predicts for a size. */
export function scaled(
  { lambda, sigma, kappa }: Pick<Scaling, 'lambda' | 'sigma' | 'kappa'>,
  n: number,
): number {
  return (lambda * n) / (1 + sigma * (n - 1) + kappa * n * (n - 1));
}

/**
 * Fits the law by least squares on N/X, in which it is linear.
 * @throws UserError for fewer than three different sizes
 */
export function fitScaling(points: readonly { readonly n: number; readonly x: number }[]): Scaling {
  const usable = points.filter(({ n, x }) => n > 0 && x > 0);
  if (new Set(usable.map(({ n }) => n)).size < 3) {
    throw new UserError('scaling: three different sizes with a throughput are needed');
  }
  // N/X = a + b (N-1) + c N (N-1): normal equations of three unknowns.
  const rows = usable.map(({ n, x }) => ({ basis: [1, n - 1, n * (n - 1)], y: n / x }));
  const matrix = [0, 1, 2].map((i) => [
    ...[0, 1, 2].map((j) => rows.reduce((sum, { basis }) => sum + basis[i]! * basis[j]!, 0)),
    rows.reduce((sum, { basis, y }) => sum + basis[i]! * y, 0),
  ]);
  const [a, b, c] = solve(matrix) as [number, number, number];
  const sigma = b / a;
  const kappa = c / a;
  const peak = kappa > 0 && sigma < 1 ? Math.sqrt((1 - sigma) / kappa) : Number.POSITIVE_INFINITY;
  return { lambda: 1 / a, sigma, kappa, peak };
}

/** Gauss elimination with pivots over an augmented matrix. */
function solve(matrix: number[][]): number[] {
  const n = matrix.length;
  for (let at = 0; at < n; at++) {
    let pivot = at;
    for (let row = at + 1; row < n; row++) {
      if (Math.abs(matrix[row]![at]!) > Math.abs(matrix[pivot]![at]!)) pivot = row;
    }
    [matrix[at], matrix[pivot]] = [matrix[pivot]!, matrix[at]!];
    const top = matrix[at]!;
    for (let row = 0; row < n; row++) {
      if (row === at) continue;
      const factor = matrix[row]![at]! / top[at]!;
      for (let k = at; k <= n; k++) matrix[row]![k]! -= factor * top[k]!;
    }
  }
  return matrix.map((row, i) => row[n]! / row[i]!);
}
