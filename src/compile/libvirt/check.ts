/**
 * Asks libvirt's own mock hypervisor (`test:///default`), which keeps pins and cards as a real one does.
 *
 * Promise: nothing outlives the call: the mock lives in the process of virsh (of virt-xml). Guests with the policy's
 * addresses are defined, the commands are run, and what is read back is held against the policy.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compilePolicy } from '../../policy/compile.js';
import { parsePolicy } from '../../policy/parse.js';
import { agreement } from '../agreement.js';
import { type Check, type Compiled, type Request, Uncheckable } from '../back-end.js';
import { runTool } from '../run-tool.js';
import { parseLibvirt } from './emit.js';

const TARGET = 'libvirt';

/** A guest of the mock's: pins to be read back. */
function domain(index: number, mac: string): string {
  return `<domain type='test'><name>rxsteer${index}</name><memory>8192</memory><vcpu>1</vcpu><os><type>hvm</type></os>
<devices><interface type='network'><mac address='${mac}'/><source network='default'/></interface></devices></domain>`;
}

/** CPUs in what `virsh emulatorpin DOM` prints, in the order of the calls. */
export function parsePins(text: string): number[] {
  return [...text.matchAll(/^\s*(?:\*:\s+)?(\d+)\s*$/gm)].map(([, cpu]) => Number(cpu));
}

async function readPins(commands: readonly string[]): Promise<Record<string, unknown>> {
  const { owners } = parseLibvirt(commands) as { owners: { mac: string; worker: number }[] };
  const folder = mkdtempSync(join(tmpdir(), 'rxsteer-virsh-'));
  try {
    const script = owners.flatMap(({ mac }, i) => {
      const file = join(folder, `${i}.xml`);
      writeFileSync(file, domain(i, mac));
      const command = commands.filter((line) => !line.startsWith('#'))[i]!;
      const own = command
        .replace(/^virsh /, '')
        .replace(/ # .*$/, '')
        .replace(/^emulatorpin (?:"\$DOM"|'[^']*'|\S+)/, `emulatorpin rxsteer${i}`)
        // The mock's new guests are started, and have one configuration.
        .replace(' --live --config', ' --live');
      return [`define ${file}`, `start rxsteer${i}`, own, `emulatorpin rxsteer${i}`];
    });
    const words = ['virsh', '-q', '-c', 'test:///default', script.join('; ')];
    const pins = parsePins(await runTool(TARGET, words, { from: 'libvirt-clients' }));
    if (pins.length !== owners.length) throw new Uncheckable(TARGET, 'virsh shows other pins than were set');
    return {
      policy: 'mac',
      assign: 'static',
      owners: owners.map(({ mac }, i) => ({ mac, worker: pins[i] })),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function readQueues(commands: readonly string[]): Promise<Record<string, unknown>> {
  const [edit] = commands;
  const words = edit!
    .replace(/^virt-xml (?:"\$DOM"|'[^']*'|\S+) --edit (?:all|target\.dev=\S+)/, 'virt-xml test --edit all')
    .replace(' --define', ' --define --print-diff --connect test:///default')
    .split(' ');
  const shown = await runTool(TARGET, words, { from: 'virtinst' });
  const queues = Number(/^\+.*<driver name="vhost" queues="(\d+)"/m.exec(shown)?.[1] ?? 0);
  if (queues === 0) throw new Uncheckable(TARGET, 'virt-xml shows no queues');
  return queues === 1 ? { policy: 'single' } : { policy: 'rss', queues };
}

/** The check of the target. @throws Uncheckable */
export async function checkLibvirt(
  request: Request,
  { commands }: Compiled,
  packets: number,
): Promise<Check> {
  const { spec, steering } = request;
  const isPinned = spec.policy === 'mac';
  const found = isPinned ? await readPins(commands) : await readQueues(commands);
  // What the guest decides is not read: the policy's own word for it.
  const whole = spec.policy === 'rss' ? { ...spec, ...found, text: undefined } : found;
  const { text: _, assumed: __, ...given } = whole as Record<string, unknown>;
  const back = compilePolicy(parsePolicy(given), { workers: steering.workers });
  const how = isPinned
    ? 'virsh emulatorpin of libvirt’s mock hypervisor (test:///default)'
    : 'the number of queues, as virt-xml sets it on libvirt’s mock hypervisor (test:///default)';
  return agreement(spec, steering, back, packets, how);
}
