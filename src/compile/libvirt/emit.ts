/**
 * A policy in the words of libvirt: how many queues a guest's card has (rss), or which CPU works for each guest (mac).
 *
 * Promise: names of guests are those that run here and have the address or the TAP; where none is known, `$DOM` stands for it.
 * What the guest itself decides (key, table, fields of virtio's RSS) is said. Pure.
 *
 * Source: libvirt's domain format; virsh(1), virt-xml(1). vhost workers belong to the emulator's threads.
 */
import { UserError } from '../../errors.js';
import { known } from '../../host/fact.js';
import { guestOfTap } from '../../host/read/guests.js';
import { quoted } from '../../host/remedy.js';
import { lowerMac } from '../../policy/owners.js';
import type { RssSteering } from '../../policy/rss.js';
import type { MacSpec } from '../../policy/spec.js';
import { type Cannot, type Compiled, Inexpressible, type Request } from '../back-end.js';
import { noteLearning } from '../ethtool/emit.js';

const TARGET = 'libvirt';

const WHY: Readonly<Record<string, string>> = {
  rps: 'RPS of the host’s devices is the kernel’s (--to sysfs)',
  rfs: 'RFS of the host’s devices is the kernel’s (--to sysfs)',
  'mac-hash': 'a guest has one address, and one CPU that works for it: owners (mac) can be set',
  pools: 'virtual functions are given to guests by <hostdev>, and made by the driver',
  'round-robin': 'a guest’s packets stay with the thread that serves its queue',
  js: 'a module of JavaScript does not run there',
};

/** @throws Inexpressible */
export function emitLibvirt(request: Request): Compiled {
  const { spec } = request;
  if (spec.policy === 'mac') return emitPins(request, spec);
  if (spec.policy !== 'rss' && spec.policy !== 'single') {
    throw new Inexpressible(TARGET, spec, WHY[spec.policy]!);
  }
  return emitQueues(request);
}

/** The guest behind a TAP; null where nobody knows. */
function guestName({ host, device }: Request): string | null {
  return host === null || device === null ? null : (guestOfTap(host.guests, device)?.name ?? null);
}

function emitQueues(request: Request): Compiled {
  const { spec, steering, device } = request;
  const queues = spec.policy === 'rss' ? (steering as RssSteering).queues : 1;
  const cannot: Cannot[] = [];
  if (spec.policy === 'rss') {
    const given = (['key', 'types', 'table', 'entries', 'weight', 'equal', 'symmetric'] as const).filter(
      (name) => spec[name] !== undefined,
    );
    if (given.length > 0) {
      cannot.push({
        what: given.join(', '),
        why: 'the guest’s driver sets them, by ethtool inside the guest (with rss=on of the card)',
      });
    }
    cannot.push({
      what: 'which queue a packet takes towards the guest',
      why: 'the TAP chooses, by the flows that it has seen; a program can be put there (--to bpf)',
    });
  }
  cannot.push({
    what: 'undo',
    why: 'the number of queues that is set now is not read: virsh dumpxml shows it',
  });
  const guest = guestName(request);
  const dom = guest === null ? '"$DOM"' : quoted(guest);
  const which = device === null ? 'all' : `target.dev=${quoted(device)}`;
  const driver = `driver.name=vhost,driver.queues=${queues}`;
  return {
    target: TARGET,
    commands: [
      `virt-xml ${dom} --edit ${which} --network model=virtio,${driver} --define`,
      `# in effect when the guest is started again; inside it: ethtool -L ethX combined ${queues}`,
    ],
    undo: ['# virt-xml … --network driver.queues=N, with the number that was there'],
    cannot,
    more: {
      xml: `<interface type='…'><model type='virtio'/><driver name='vhost' queues='${queues}'/></interface>`,
    },
  };
}

function emitPins({ host }: Request, spec: MacSpec): Compiled {
  const cannot: Cannot[] = [];
  noteLearning(spec, cannot);
  const commands: string[] = [];
  const undo: string[] = [];
  spec.owners.forEach((owner, index) => {
    const mac = lowerMac(owner.mac);
    const guest = host?.guests.find(({ nics }) => nics.some((nic) => nic.mac?.toLowerCase() === mac)) ?? null;
    if (host !== null && guest === null) {
      cannot.push({
        what: `owners[${index}]: ${mac}`,
        why: 'no guest that runs here has a card of that address',
      });
    }
    if (owner.vlan !== undefined) {
      cannot.push({
        what: `owners[${index}]: vlan ${owner.vlan}`,
        why: 'a thread serves all VLANs of a card',
      });
    }
    const dom = guest === null ? '"$DOM"' : quoted(guest.name);
    commands.push(`virsh emulatorpin ${dom} ${owner.worker ?? owner.cpu ?? 0} --live --config # ${mac}`);
    const thread = guest?.vhost[0] ?? guest?.main ?? null;
    if (thread !== null && known(thread.allowed)) {
      undo.unshift(`virsh emulatorpin ${dom} ${listOf(thread.allowed)} --live --config`);
    } else cannot.push({ what: `undo for ${mac}`, why: 'where its threads may run now is not known' });
  });
  cannot.push({
    what: 'vhost threads alone',
    why: 'libvirt pins them together with the emulator’s other threads, a guest’s cards all alike',
  });
  if (commands.length === 0) {
    throw new Inexpressible(TARGET, spec, 'it names no owner: give owners in a policy file');
  }
  return { target: TARGET, commands, undo, cannot };
}

function listOf(cpus: readonly number[]): string {
  return cpus.join(',');
}

/** The policy. @throws UserError */
export function parseLibvirt(commands: readonly string[]): Record<string, unknown> {
  const owners: { mac: string; worker: number }[] = [];
  let queues = 0;
  for (const command of commands) {
    if (command.startsWith('#')) continue;
    const pin = /^virsh emulatorpin (?:"\$DOM"|'[^']*'|\S+) (\d+) --live --config # ([0-9a-f:]{17})$/.exec(
      command,
    );
    const edit = /^virt-xml .* --network model=virtio,driver\.name=vhost,driver\.queues=(\d+) --define$/.exec(
      command,
    );
    if (pin !== null) owners.push({ mac: pin[2]!, worker: Number(pin[1]) });
    else if (edit !== null) queues = Number(edit[1]);
    else throw new UserError(`libvirt: "${command}" is not understood`);
  }
  if (owners.length > 0) return { policy: 'mac', assign: 'static', owners };
  if (queues === 0) throw new UserError('libvirt: neither queues nor pins');
  return queues === 1 ? { policy: 'single' } : { policy: 'rss', queues };
}
