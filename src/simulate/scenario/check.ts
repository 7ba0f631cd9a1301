/**
 * What the parts of a scenario say together: CPUs and nodes that exist, names that are known, work that can end.
 *
 * Promise: pure; the first contradiction is a UserError of one line with the path in the scenario and what would be
 * right. A scenario that passes can be built but for its policies and captures, which are read elsewhere.
 */
import { UserError, unknownName } from '../../errors.js';
import type {
  AppSpec,
  GuestSpec,
  RpsSettings,
  Scenario,
  SoftirqSettings,
  TransmitSettings,
} from './schema.js';

/** vCPUs of all guests, and packets that all loads send: beyond that a run takes hours. */
const MOST_VCPUS = 16_384;
const MOST_PACKETS = 2e9;
/** Kinds that answer what clients ask, and those that nobody outside talks to. */
const ANSWERS: ReadonlySet<string> = new Set(['echo', 'forward']);
/** Paths that the first NIC puts packets into itself. */
const DIRECT: ReadonlySet<string> = new Set(['sriov', 'vhost-user']);
const RECEIVE: ReadonlySet<string> = new Set(['echo', 'sink', 'forward', 'drop']);

/** @param place what errors begin with. @throws UserError */
export function checkScenario(scenario: Scenario, place: string): void {
  new Check(scenario, place).all();
}

class Check {
  readonly #cpus: number;
  readonly #nodes: number;
  readonly #guests = new Map<string, GuestSpec>();

  constructor(
    private readonly scenario: Scenario,
    private readonly place: string,
  ) {
    const { sockets, cores, threads, nodesPerSocket } = scenario.host.cpus;
    this.#cpus = sockets * cores * threads;
    this.#nodes = sockets * nodesPerSocket;
  }

  #fail(path: string, what: string): never {
    throw new UserError(`${this.place}: ${path}${what}`);
  }

  all(): void {
    const { scenario } = this;
    const { nics, guests, host, load, workers } = scenario;
    this.#list('workers', workers, this.#cpus, 'CPU');
    if (Object.keys(nics).length === 0) this.#fail('nics', '={}: expected at least one NIC');
    this.#softirq('host.softirq', host.softirq, this.#cpus, 'CPU');
    this.#apps('host.apps', host.apps, this.#cpus, 'CPU');
    for (const [name, nic] of Object.entries(nics)) {
      const at = `nics.${name}`;
      this.#list(`${at}.irqs`, nic.irqs, this.#cpus, 'CPU');
      this.#node(`${at}.node`, nic.node);
      this.#rps(`${at}.rps`, nic.rps, this.#cpus, 'CPU');
      this.#transmit(`${at}.transmit`, nic.transmit, this.#cpus, 'CPU');
    }
    let vcpus = 0;
    for (const [kind, guest] of Object.entries(guests)) {
      this.#guest(kind, guest);
      vcpus += guest.count * guest.vcpus;
    }
    if (vcpus > MOST_VCPUS) this.#fail('guests', `: ${vcpus} vCPUs in all: expected at most ${MOST_VCPUS}`);
    load.forEach((_, i) => {
      this.#load(i);
    });
    scenario.changes.forEach((change, i) => {
      const at = `changes[${i}]`;
      this.#nic(`${at}.nic`, change.nic);
      this.#list(`${at}.rpsCpus`, change.rpsCpus, this.#cpus, 'CPU');
      if (change.policy === undefined && change.rpsCpus === undefined && !change.rollback) {
        this.#fail(at, ' changes nothing: expected policy, rpsCpus or rollback');
      }
    });
  }

  /** Numbers below a limit. */
  #list(path: string, ids: readonly number[] | undefined, limit: number, what: string): void {
    const high = ids?.find((id) => id >= limit);
    if (high === undefined) return;
    this.#fail(path, `: ${what} ${high} does not exist; ${what}s: 0 to ${limit - 1}`);
  }

  #node(path: string, node: number | undefined): void {
    this.#list(path, node === undefined ? [] : [node], this.#nodes, 'node');
  }

  #nic(path: string, name: string | undefined): void {
    const known = Object.keys(this.scenario.nics);
    if (name !== undefined && !known.includes(name)) {
      this.#fail(path, `: ${unknownName('NIC', name, known).message}`);
    }
  }

  #softirq(path: string, softirq: SoftirqSettings | undefined, limit: number, what: string): void {
    this.#list(`${path}.flowLimitCpus`, softirq?.flowLimitCpus, limit, what);
  }

  #rps(path: string, rps: RpsSettings | undefined, limit: number, what: string): void {
    this.#list(`${path}.cpus`, rps?.cpus?.flat(), limit, what);
  }

  #transmit(
    path: string,
    transmit: Pick<TransmitSettings, 'queues' | 'select'> | undefined,
    limit: number,
    what: string,
  ): void {
    if (transmit === undefined) return;
    const { queues, select } = transmit;
    if (Array.isArray(select)) {
      this.#list(`${path}.select`, select.flat(), limit, what);
      if (select.length > queues) {
        this.#fail(
          `${path}.select`,
          `: ${select.length} lists for ${queues} queues: expected one for each at most`,
        );
      }
    }
  }

  #apps(path: string, apps: readonly AppSpec[] | undefined, limit: number, what: string, guest?: GuestSpec) {
    const names = new Set<string>();
    apps?.forEach((app, i) => {
      const at = `${path}[${i}]`;
      this.#list(`${at}.cpus`, app.cpus, limit, what);
      if (names.has(app.name))
        this.#fail(`${at}.name`, `=${app.name} is there already: expected another name`);
      names.add(app.name);
      if (app.kind === 'block' && guest?.path !== 'vhost-scsi') {
        this.#fail(`${at}.kind`, '=block: expected a guest with path vhost-scsi');
      }
      if (app.kind === 'ipi' && (app.cpus?.length ?? limit) < 2) {
        this.#fail(`${at}.kind`, `=ipi: expected at least two ${what}s, one interrupts the other`);
      }
      if (app.to !== undefined) this.#target(`${at}.to`, app.to);
    });
  }

  #target(path: string, name: string): void {
    const known = [...this.#guestNames()];
    if (known.includes(name)) return;
    if (known.length === 0) this.#fail(path, `=${name}: there are no guests`);
    this.#fail(path, `: ${unknownName('guest', name, known).message}`);
  }

  *#guestNames(): Generator<string> {
    for (const [kind, { count }] of Object.entries(this.scenario.guests)) {
      if (count === 1) yield kind;
      else for (let i = 0; i < count; i++) yield `${kind}${i}`;
    }
  }

  #guest(kind: string, guest: GuestSpec): void {
    const at = `guests.${kind}`;
    if (kind === 'host') this.#fail(at, ': expected another name: host is the host');
    for (let i = 0; i < guest.count; i++) {
      const name = guest.count === 1 ? kind : `${kind}${i}`;
      if (this.#guests.has(name)) this.#fail(at, `: a guest ${name} is there already: expected another name`);
      this.#guests.set(name, guest);
    }
    this.#list(`${at}.cpus`, guest.cpus, this.#cpus, 'CPU');
    this.#list(`${at}.workerCpus`, guest.workerCpus, this.#cpus, 'CPU');
    this.#node(`${at}.node`, guest.node);
    this.#list(`${at}.irqs`, guest.irqs, guest.vcpus, 'vCPU');
    this.#rps(`${at}.rps`, guest.rps, guest.vcpus, 'vCPU');
    this.#transmit(`${at}.transmit`, guest.transmit, guest.vcpus, 'vCPU');
    this.#softirq(`${at}.softirq`, guest.softirq, guest.vcpus, 'vCPU');
    this.#apps(`${at}.apps`, guest.apps, guest.vcpus, 'vCPU', guest);
  }

  #load(number: number): void {
    const { scenario } = this;
    const load = scenario.load[number]!;
    const at = `load[${number}]`;
    this.#nic(`${at}.nic`, load.nic);
    if (load.kind === 'capture' && load.file === undefined) {
      this.#fail(`${at}.file`, ' is missing: expected a capture file');
    }
    const guests = [...this.#guestNames()];
    const matching = (name: string) =>
      guests.filter((guest) => guest === name || guest.replace(/\d+$/, '') === name);
    const targets = (load.to ?? (guests.length > 0 ? guests : ['host'])).flatMap((name) => {
      if (name === 'host') return ['host'];
      const found = matching(name);
      if (found.length === 0) {
        this.#fail(`${at}.to`, `: ${unknownName('guest', name, ['host', ...guests]).message}`);
      }
      return found;
    });
    const [first] = Object.keys(scenario.nics);
    const direct = targets.find((target) => DIRECT.has(this.#guests.get(target)?.path ?? ''));
    if (direct !== undefined && load.nic !== undefined && load.nic !== first) {
      const { path } = this.#guests.get(direct)!;
      this.#fail(
        `${at}.nic`,
        `=${load.nic}: ${direct} has path ${path}, which is of the first NIC, ${first}`,
      );
    }
    for (const target of targets) this.#receiver(`${at}.app`, target, load.app, load.kind === 'closed');
    const ms = scenario.warmupMs + scenario.durationMs;
    const packets = load.kind === 'open' ? (load.rate * targets.length * ms) / 1000 : 0;
    if (packets > MOST_PACKETS) {
      const asked = packets.toExponential(0).replace('e+', 'e');
      this.#fail(
        `${at}.rate`,
        `: ${asked} packets in ${ms} ms: expected at most ${MOST_PACKETS / 1e9}e9 in a run`,
      );
    }
  }

  /** The application of a target that gets the packets of a load. */
  #receiver(path: string, target: string, name: string | undefined, isClosed: boolean): void {
    const apps = target === 'host' ? this.scenario.host.apps : this.#guests.get(target)!.apps;
    const receivers = (apps ?? []).filter(({ kind }) => RECEIVE.has(kind));
    const known = receivers.map((app) => app.name);
    if (name !== undefined && (apps !== undefined || name !== 'app') && !known.includes(name)) {
      if (known.length === 0) this.#fail(path, `=${name}: ${target} has no application that receives`);
      this.#fail(path, `: ${unknownName('application', name, known).message}`);
    }
    if (apps !== undefined && receivers.length === 0) {
      this.#fail(
        path,
        `: ${target} has no application that receives: expected one of kind echo, sink, forward or drop`,
      );
    }
    const app = receivers.find((one) => one.name === name) ?? receivers[0];
    if (isClosed && app !== undefined && !ANSWERS.has(app.kind)) {
      this.#fail(
        path,
        `: clients wait for answers, ${target} has one of kind ${app.kind}: expected kind echo`,
      );
    }
  }
}
