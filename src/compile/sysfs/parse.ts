/**
 * From writes to sysfs and sysctls back to the policy that they make.
 *
 * Promise: each line is applied in turn, by the rules of the kernel (sizes round up, an empty mask is off); what a line
 * does not say it does not change. The queues of a device must agree, else it is no policy. Pure.
 */
import { UserError } from '../../errors.js';
import { formatCpuList, parseCpuMask, sameCpus } from '../../host/lists.js';
import { writeRpsFlowCnt, writeRpsSockFlowEntries } from '../../linux/sysctl.js';

const WRITE = /^echo (\S+) > '?\/sys\/class\/net\/([^']+)\/queues\/rx-(\d+)\/(rps_cpus|rps_flow_cnt)'?$/;
const LOOP =
  /^for q in \/sys\/class\/net\/(\S+)\/queues\/rx-\*; do echo (\S+) > \$q\/(rps_cpus|rps_flow_cnt); done$/;
const SYSCTL = /^sysctl -w net\.core\.rps_sock_flow_entries=(\d+)$/;

interface Queue {
  cpus: number[];
  flows: number;
}

/** The policy. @throws UserError */
export function parseSysfs(commands: readonly string[]): Record<string, unknown> {
  const queues = new Map<string, Queue>();
  let entries = 0;
  for (const command of commands) {
    if (command.startsWith('#')) continue;
    const sysctl = SYSCTL.exec(command);
    if (sysctl !== null) {
      entries = sizeOf(writeRpsSockFlowEntries(sysctl[1]!), command);
      continue;
    }
    const write = WRITE.exec(command);
    const loop = LOOP.exec(command);
    if (write !== null) set(queues, write[3]!, write[4]!, write[1]!, command);
    else if (loop !== null) set(queues, '*', loop[3]!, loop[2]!, command);
    else throw new UserError(`sysfs: "${command}" is not understood`);
  }
  return policyOf([...queues.values()], entries);
}

function sizeOf(result: ReturnType<typeof writeRpsFlowCnt>, command: string): number {
  if (!result.ok) throw new UserError(`sysfs: "${command}": the kernel answers ${result.errno}`);
  return result.value;
}

function set(queues: Map<string, Queue>, name: string, file: string, value: string, command: string): void {
  const queue = queues.get(name) ?? { cpus: [], flows: 0 };
  queues.set(name, queue);
  if (file === 'rps_flow_cnt') queue.flows = sizeOf(writeRpsFlowCnt(value), command);
  else {
    const cpus = parseCpuMask(value);
    if (cpus === null) throw new UserError(`sysfs: "${command}": no mask`);
    queue.cpus = cpus;
  }
}

function policyOf(queues: readonly Queue[], entries: number): Record<string, unknown> {
  const [first] = queues;
  if (first === undefined || first.cpus.length === 0) throw new UserError('sysfs: no mask is set');
  const other = queues.find(({ cpus, flows }) => !sameCpus(cpus, first.cpus) || flows !== first.flows);
  if (other !== undefined) {
    const lists = `${formatCpuList(first.cpus)} and ${formatCpuList(other.cpus)}`;
    throw new UserError(`sysfs: queues are set to ${lists}: no one policy`);
  }
  const cpus = [...first.cpus];
  return entries > 0 && first.flows > 0
    ? { policy: 'rfs', cpus, entries, flows: first.flows }
    : { policy: 'rps', cpus };
}
