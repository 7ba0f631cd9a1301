/** This program: one worker, policy rss, between packet sockets or AF_XDP. */
import { fileURLToPath } from 'node:url';
import { loadNative, nativeProblem } from '#rxsteer/addon/native.js';
import type { Forwarder, Running } from '../lab/forwarder.js';
import { Child } from '../lab/process.js';
import { FORWARDER_CPU, type Topology } from '../lab/topology.js';

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));

const forwarder = (name: string, kind: string): Forwarder => ({
  name,
  settings: `forward, two ${kind} ports, wire, policy rss, one worker on CPU ${FORWARDER_CPU}`,
  offloads: true,
  polls: false,
  missing: () => (loadNative() === null ? `rxsteer left out: ${nativeProblem()}` : null),
  async start(topology: Topology): Promise<Running> {
    const child = new Child(
      name,
      [
        process.execPath,
        // RXSTEER_BENCH_NODE: options for Node itself, e.g. --perf-basic-prof or --cpu-prof.
        ...(process.env.RXSTEER_BENCH_NODE ?? '').split(' ').filter((word) => word !== ''),
        MAIN,
        ...['forward', '--port', `a=${kind}:f0`, '--port', `b=${kind}:f1`, '--mode', 'wire'],
        ...[
          '--policy',
          'rss',
          '--workers',
          '1',
          '--cpus',
          String(FORWARDER_CPU),
          '--json',
          '--end-with-stdin',
        ],
        ...(process.env.RXSTEER_BENCH_FORWARD ?? '').split(' ').filter((word) => word !== ''),
      ],
      { namespace: topology.names.forwarder },
    );
    try {
      await child.until(/^ready$/m);
    } catch (error) {
      child.kill();
      throw error;
    }
    return {
      pid: child.pid,
      async stop() {
        await child.end(null);
        if (child.code !== 0) throw new Error(`rxsteer ended with ${child.code}: ${child.gist()}`);
      },
    };
  },
});

export const rxsteer = forwarder('rxsteer', 'af_packet');
export const rxsteerXdp = forwarder('rxsteer-af_xdp', 'af_xdp');
