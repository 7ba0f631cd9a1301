/**
 * The library: `import { … } from 'rxsteer'`.
 *
 * Promise: names exported here are stable; everything else may change without notice. Nothing here does I/O or
 * needs the native addon except `Engine`, which forwards packets.
 */

export { Engine } from './dataplane/engine.js';
export { loadNative, nativeProblem } from './dataplane/native.js';
export { type EngineOptions, engineDefaults } from './dataplane/plan.js';
export { type PortSpec, parsePort } from './dataplane/ports/port-spec.js';
export { type Summary, summarize } from './dataplane/summary.js';
export { UserError } from './errors.js';
export { crc32, crc32c, xorHash } from './hash/crc.js';
export { Toeplitz, toeplitzBitwise } from './hash/toeplitz.js';
export { IndirectionTable } from './nic/indirection-table.js';
export { arp, ethernet, icmp, icmpv6, ipv4, ipv6, sctp, tcp, udp } from './packet/build.js';
export { BURST_MAX, Burst, FrameFlag, Kind } from './packet/burst.js';
export { dissectBurst } from './packet/dissect.js';
export { compilePolicy, defaultWorkers } from './policy/compile.js';
export { parsePolicy } from './policy/parse.js';
export type { PolicySpec } from './policy/spec.js';
export type { Decision, Steering } from './policy/steering.js';
