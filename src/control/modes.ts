/** What the rebalancer may do. Apart from it, for a command line that need not load it. */

/** Off: not even measured. Dry: says what it would do. Auto: does it. */
export const REBALANCE_MODES = ['dry', 'auto', 'off'] as const;
export type RebalanceMode = (typeof REBALANCE_MODES)[number];
