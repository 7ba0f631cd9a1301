/** This program: AF_PACKET ports, one worker, policy rss. */
import { fileURLToPath } from 'node:url';
import { loadNative, nativeProblem } from '#rxsteer/addon/native.js';
import type { Forwarder, Running } from '../lab/forwarder.js';
import { Child } from '../lab/process.js';
import { FORWARDER_CPU, type Topology } from '../lab/topology.js';

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));

export const rxsteer: Forwarder = {
  name: 'rxsteer',
  settings: `forward, two af_packet ports, wire, policy rss, one worker on CPU ${FORWARDER_CPU}`,
  offloads: true,
  polls: false,
  missing: () => (loadNative() === null ? `rxsteer left out: ${nativeProblem()}` : null),
  async start(topology: Topology): Promise<Running> {
    const child = new Child(
      'rxsteer',
      [
        process.execPath,
        // RXSTEER_BENCH_NODE: options for Node itself, e.g. --perf-basic-prof or --cpu-prof.
        ...(process.env.RXSTEER_BENCH_NODE ?? '').split(' ').filter((word) => word !== ''),
        MAIN,
        ...['forward', '--port', 'a=af_packet:f0', '--port', 'b=af_packet:f1', '--mode', 'wire'],
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
};
