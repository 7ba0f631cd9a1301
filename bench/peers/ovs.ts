/**
 * Open vSwitch's userspace datapath with system ports: a database server and a switch of our own in a directory of
 * their own, inside the forwarder's namespace; the system's service is not touched.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Forwarder, Running } from '../lab/forwarder.js';
import { Child, runChild } from '../lab/process.js';
import { missingProgram } from '../lab/programs.js';
import { FORWARDER_CPU, type Topology } from '../lab/topology.js';

/** Its name in the namespace. */
const BRIDGE = 'ovs0';
const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';

export const ovs: Forwarder = {
  name: 'ovs-userspace',
  settings: `datapath_type=netdev, system ports, two flows in_port -> output, CPU ${FORWARDER_CPU}`,
  offloads: false,
  polls: false,
  missing: () =>
    missingProgram('Open vSwitch', {
      'ovs-vswitchd': 'openvswitch-switch',
      'ovsdb-server': 'openvswitch-switch',
      ethtool: 'ethtool',
    }),
  async start(topology: Topology): Promise<Running> {
    const directory = mkdtempSync(join(tmpdir(), 'rxsteer-ovs-'));
    const namespace = topology.names.forwarder;
    const env = { OVS_RUNDIR: directory, OVS_LOGDIR: directory, OVS_DBDIR: directory };
    const socket = `unix:${join(directory, 'db.sock')}`;
    const children: Child[] = [];
    const control = join(directory, 'vswitchd.ctl');
    const remove = async () => {
      // A plain end would leave the bridge's own (persistent) interface behind.
      const exit = ['ovs-appctl', `--target=${control}`, '--timeout=5', 'exit', '--cleanup'];
      if (existsSync(control)) await runChild('ovs-appctl', exit, { env }).catch(() => {});
      // The switch before its database.
      for (const child of children.reverse()) await child.end();
      rmSync(directory, { recursive: true, force: true });
    };
    try {
      await runChild('ovsdb-tool', ['ovsdb-tool', 'create', join(directory, 'conf.db'), SCHEMA], { env });
      const server = new Child(
        'ovsdb-server',
        [
          'ovsdb-server',
          join(directory, 'conf.db'),
          `--remote=p${socket}`,
          `--unixctl=${join(directory, 'ovsdb.ctl')}`,
          `--pidfile=${join(directory, 'ovsdb.pid')}`,
          '--verbose=console:warn',
        ],
        { namespace, env },
      );
      children.push(server);
      const vsctl = (...args: string[]) =>
        runChild('ovs-vsctl', ['ovs-vsctl', '--timeout=10', '--retry', `--db=${socket}`, ...args], {
          namespace,
          env,
        });
      await vsctl('--no-wait', 'init');
      const daemon = new Child(
        'ovs-vswitchd',
        [
          'ovs-vswitchd',
          socket,
          `--unixctl=${control}`,
          `--pidfile=${join(directory, 'vswitchd.pid')}`,
          '--verbose=console:warn',
        ],
        { namespace, env, cpus: String(FORWARDER_CPU) },
      );
      children.push(daemon);
      const bridge = [
        'add-br',
        BRIDGE,
        '--',
        'set',
        'bridge',
        BRIDGE,
        'datapath_type=netdev',
        'fail_mode=secure',
      ];
      await vsctl(...bridge, '--', 'add-port', BRIDGE, 'f0', '--', 'add-port', BRIDGE, 'f1');
      const target = join(directory, `${BRIDGE}.mgmt`);
      for (const [from, to] of [
        ['f0', 'f1'],
        ['f1', 'f0'],
      ]) {
        const flow = `in_port=${from},actions=output:${to}`;
        await runChild('ovs-ofctl', ['ovs-ofctl', '--names', 'add-flow', `unix:${target}`, flow], { env });
      }
      return { pid: daemon.pid, stop: remove };
    } catch (error) {
      await remove();
      throw error;
    }
  },
};
