/**
 * DPDK's testpmd between two interfaces, in its best settings for them: io forwarding (frames are not touched),
 * one forwarding core, transmission past the queueing discipline, large rings.
 */
import type { Forwarder, Running } from '../lab/forwarder.js';
import { Child } from '../lab/process.js';
import { missingProgram } from '../lab/programs.js';
import { FORWARDER_CPU, GENERATOR_CPU, type Topology } from '../lab/topology.js';

/** Ring slots of each af_packet socket, in blocks of 32 (2 KiB each). */
const FRAMES = 4096;

function testpmd(name: string, settings: string, devices: readonly string[]): Forwarder {
  return {
    name,
    settings: `testpmd io on CPU ${FORWARDER_CPU}, ${settings}`,
    offloads: false,
    polls: true,
    missing: () => missingProgram(name, { 'dpdk-testpmd': 'dpdk-dev', ethtool: 'ethtool' }),
    async start(topology: Topology): Promise<Running> {
      // Line by line, also into a pipe: its last line says that it forwards.
      const command = ['stdbuf', '-oL', 'dpdk-testpmd', '-l', `${GENERATOR_CPU},${FORWARDER_CPU}`];
      // No huge pages and no shared configuration: nothing that would outlive it.
      command.push('--no-huge', '--no-pci', '--no-shconf', '--no-telemetry', '-m', '512');
      for (const device of devices) command.push(`--vdev=${device}`);
      command.push('--', '--forward-mode=io', '--nb-cores=1', '--burst=64');
      command.push('--no-lsc-interrupt', '--no-rmv-interrupt', '--total-num-mbufs=65536');
      command.push('--auto-start', '--stats-period=0');
      const child = new Child(name, command, { namespace: topology.names.forwarder });
      try {
        await child.until(/Press enter to exit/, 20_000);
      } catch (error) {
        child.kill();
        throw error;
      }
      return {
        pid: child.pid,
        // It ends when its standard input does.
        stop: () => child.end(null, 5000),
      };
    },
  };
}

const ring = `qdisc_bypass=1,blocksz=65536,framesz=2048,framecnt=${FRAMES}`;

export const afPacket = testpmd('testpmd-af_packet', `net_af_packet, ${ring}`, [
  `net_af_packet0,iface=f0,${ring}`,
  `net_af_packet1,iface=f1,${ring}`,
]);

export const afXdp = testpmd('testpmd-af_xdp', 'net_af_xdp', [
  'net_af_xdp0,iface=f0',
  'net_af_xdp1,iface=f1',
]);
