/** This program: policy rss between packet sockets or AF_XDP, by one worker or by two behind one receive queue. */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { loadNative, nativeProblem } from '#rxsteer/addon/native.js';
import type { Forwarder, Running } from '../lab/forwarder.js';
import { Child } from '../lab/process.js';
import { FORWARDER_CPU, GENERATOR_CPU, type Topology } from '../lab/topology.js';

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));

/** The second worker shares the generator's CPU where there are only two. */
export const SHARES_GENERATOR = availableParallelism() < 3;
const SECOND_CPU = SHARES_GENERATOR ? GENERATOR_CPU : FORWARDER_CPU + 1;

interface Variant {
  readonly kind: 'af_packet' | 'af_xdp';
  /** Options of the port that receives. */
  readonly options?: string;
  readonly cpus?: readonly number[];
  readonly flags?: readonly string[];
  /** Frames that one worker has handed to another are an error. */
  readonly keeps?: boolean;
}

function words(name: string): string[] {
  return (process.env[name] ?? '').split(' ').filter((word) => word !== '');
}

function handedOver(stdout: string): number {
  const { handoffs } = JSON.parse(stdout) as { handoffs: { packets: number }[] };
  return handoffs.reduce((sum, { packets }) => sum + packets, 0);
}

function forwarder(name: string, variant: Variant): Forwarder {
  const { kind, options = '', cpus = [FORWARDER_CPU], flags = [], keeps = false } = variant;
  const workers = cpus.length === 1 ? 'one worker' : `${cpus.length} workers`;
  const more = [...flags, options].filter((word) => word !== '').join(' ');
  return {
    name,
    settings: `forward, two ${kind} ports, wire, policy rss, ${workers} on CPU ${cpus.join(', ')}${more === '' ? '' : `, ${more}`}`,
    offloads: true,
    polls: false,
    missing: () => (loadNative() === null ? `rxsteer left out: ${nativeProblem()}` : null),
    async start(topology: Topology): Promise<Running> {
      const child = new Child(
        name,
        [
          process.execPath,
          // RXSTEER_BENCH_NODE: options for Node itself, e.g. --perf-basic-prof or --cpu-prof.
          ...words('RXSTEER_BENCH_NODE'),
          ...[MAIN, 'forward', '--port', `a=${kind}:f0${options === '' ? '' : `,${options}`}`],
          ...['--port', `b=${kind}:f1`, '--mode', 'wire', '--policy', 'rss'],
          ...['--workers', String(cpus.length), '--cpus', cpus.join('+'), '--json', '--end-with-stdin'],
          ...flags,
          ...words('RXSTEER_BENCH_FORWARD'),
        ],
        { namespace: topology.names.forwarder },
      );
      try {
        await child.until(/^ready$/m, 20_000);
      } catch (error) {
        child.kill();
        throw error;
      }
      return {
        pid: child.pid,
        async stop() {
          await child.end(null);
          if (child.code !== 0) throw new Error(`rxsteer ended with ${child.code}: ${child.gist()}`);
          const handed = keeps ? handedOver(child.stdout) : 0;
          if (handed > 0) throw new Error(`${name}: ${handed} frames were handed from worker to worker`);
        },
      };
    },
  };
}

export const rxsteer = forwarder('rxsteer', { kind: 'af_packet' });
export const rxsteerXdp = forwarder('rxsteer-af_xdp', { kind: 'af_xdp' });
/** Workers poll on while traffic comes. */
export const rxsteerXdpLow = forwarder('rxsteer-af_xdp-low', { kind: 'af_xdp', flags: ['--latency', 'low'] });
/** The XDP program chooses between two workers. */
export const rxsteerXdpTwo = forwarder('rxsteer-af_xdp-two', {
  ...{ kind: 'af_xdp', options: 'steer=on', keeps: true },
  cpus: [FORWARDER_CPU, SECOND_CPU],
});
