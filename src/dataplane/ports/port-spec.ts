/**
 * The text form of a port, `NAME=KIND:TARGET[,option=value…]`, parsed and checked.
 *
 * Promise: a `PortSpec` is complete (defaults filled) and free of contradictions that can be seen without opening
 * anything; everything else is a one-line UserError that names the port. What a kind's options are is in its folder.
 */
import { hasControl, inArea, UserError, unknownName } from '../../errors.js';
import { parseSources } from '../../mac/source-rules.js';
import { WORKER_MAX } from '../../policy/values.js';
import {
  type AnyPortSpec,
  type Claim,
  type Consumer,
  findForm,
  type PortForm,
  type PortKind,
} from './kind.js';
import { findKind, kindOf, type PortSpec, portKinds } from './kinds.js';
import { GivenOptions, type NumberOption, optionalNumber } from './options.js';

/** Largest process id (PID_MAX_LIMIT). */
const TASK_MAX = 1 << 22;

/** What `follow=guest` is read to: no task's id. */
const GUEST = 0;

/** Options of every port that frames are sent to. */
export const CONSUMER_OPTIONS: Readonly<Record<'cpu' | 'follow', NumberOption<null>>> = {
  cpu: optionalNumber({ least: 0, most: WORKER_MAX, does: 'the worker that its consumer runs on' }),
  follow: optionalNumber({
    ...{ least: 1, most: TASK_MAX, unit: 'PID', words: { guest: GUEST } },
    does: 'the task that consumes its frames: a virtual CPU, a vhost thread; `guest`: the virtual CPUs of the guest that is connected (vhost-user)',
  }),
};
/** Options of every port that frames come from: the addresses that these may have. */
export const SOURCE_OPTIONS = ['mac', 'ip'] as const;

/** The letters before the colon; a name of a kind has no others. */
const FORM = /^([^=:,]+)=([a-z0-9_-]+):([^,]*)(?:,(.*))?$/;

/** Parses one `--port`. Throws UserError. */
export function parsePort(text: string): PortSpec {
  return inArea('RXS_PORT', () => parsed(text));
}

function parsed(text: string): PortSpec {
  const match = FORM.exec(text);
  if (match === null) {
    throw new UserError(
      `--port ${text}: expected NAME=KIND:TARGET[,option=value…], e.g. a=af_packet:eth0 or b=memory:sink`,
    );
  }
  if (hasControl(text)) throw new UserError(`--port ${text}: it holds a control character`);
  const [, name, kindName, target, rest = ''] = match as unknown as [string, string, string, string, string?];
  const where = `--port ${name}`;
  const given = GivenOptions.parse(where, rest);
  const sources = parseSources(where, given.text('mac', false), given.text('ip', false));
  const { kind, form } = formOf(name, kindName, target);
  const values = given.readAll(form.options);
  const own = form.spec(target, values, { name, text, consumer: null }, where);
  const [receives, sends] = [kind.receives(own), kind.sends(own)];
  const consumer = readConsumer(given, sends);
  const spec: AnyPortSpec = { ...own, consumer, ...(sources === null ? {} : { sources }) };
  if (sources !== null && !receives) {
    throw new UserError(
      `${where}: mac= and ip=: nothing is received from this port, so there is nothing to check`,
    );
  }
  if (receives) given.knows(...SOURCE_OPTIONS);
  given.finish();
  if (consumer !== null && !sends) {
    throw new UserError(
      `${where}: ${consumer.kind === 'cpu' ? 'cpu' : 'follow'}=: nothing is delivered to this port, so it has no consumer`,
    );
  }
  if (consumer?.kind === 'guest' && kind.knowsGuest !== true) {
    throw new UserError(
      `${where}: follow=guest: a ${kindName} port does not know its guest: give follow=PID`,
    );
  }
  return spec as PortSpec;
}

/** The form that a target belongs to. @throws UserError */
function formOf(name: string, kindName: string, target: string): { kind: PortKind; form: PortForm } {
  const kind = findKind(kindName);
  if (kind === undefined) {
    const known = portKinds().map((one) => one.name);
    throw unknownName(`kind of port ${name}`, kindName, known);
  }
  const form = findForm(kind, target);
  if (form !== undefined) return { kind, form };
  const known = kind.forms.map((one) => one.target);
  throw unknownName(`target of ${kindName} port ${name}`, target, known);
}

/** Also of ports that have none: there it is refused by name, not as unknown. */
function readConsumer(given: GivenOptions, sends: boolean): Consumer | null {
  const worker = given.read('cpu', CONSUMER_OPTIONS.cpu, sends);
  const task = given.read('follow', CONSUMER_OPTIONS.follow, sends);
  if (worker !== null && task !== null) {
    throw new UserError(
      `${given.where}: cpu=${worker} and follow=${task === GUEST ? 'guest' : task}: a port has one consumer, give one`,
    );
  }
  if (worker !== null) return { kind: 'cpu', worker };
  if (task === GUEST) return { kind: 'guest' };
  return task === null ? null : { kind: 'follow', task };
}

/** Checks a whole set of ports: names used once, and what is outside (interfaces, files) by those only that may share it. */
export function checkPorts(ports: readonly AnyPortSpec[]): void {
  inArea('RXS_PORT', () => check(ports));
}

function check(ports: readonly AnyPortSpec[]): void {
  const names = new Set<string>();
  const taken = new Map<string, { claim: Claim; port: string }>();
  for (const port of ports) {
    if (names.has(port.name)) throw new UserError(`--port ${port.name}: this name is given twice`);
    names.add(port.name);
    for (const claim of kindOf(port).claims(port)) {
      const other = taken.get(claim.key);
      if (other !== undefined && !(claim.shared && other.claim.shared)) {
        throw new UserError(`--port ${port.name}: ${claim.text} is already port ${other.port}`);
      }
      taken.set(claim.key, { claim, port: port.name });
    }
  }
}
