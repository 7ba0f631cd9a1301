// Which CPUs should RPS use? A server with one receive queue, every mask of its CPUs, on virtual time, over seeds.
//   node examples/sweep-rps-masks.mjs
import { simulate, sweepScenarios } from 'rxsteer';

const host = {
  ...{ name: 'server', durationMs: 2, warmupMs: 1 },
  host: { cpus: { cores: 4 }, apps: [{ kind: 'echo', threads: 8, pin: false }] },
  nics: { eth0: { irqs: [0], rps: { cpus: '0' } } },
  load: [{ kind: 'closed', clients: 64 }],
};
const masks = ['0', '1', '1-2', '1-3', '0-3'];
const { lines, sections } = await sweepScenarios({
  scenarios: [host],
  vary: { 'nics.eth0.rps.cpus': masks },
  costs: ['modern'],
  seeds: [1, 2],
});
for (const { lines: cells, throughput, usPerOperation, range } of sections[0].rows) {
  const [{ options, unit, perPacket }] = cells;
  console.log(
    `RPS on CPUs ${options['nics.eth0.rps.cpus'].padEnd(4)} ${Math.round(throughput / 1000)}k ${unit} ` +
      `(${range.map((one) => Math.round(one / 1000)).join(' to ')}k), ${usPerOperation.toFixed(2)} us each, ` +
      `${perPacket.ipis.toFixed(2)} IPIs`,
  );
}

// A line is a run like any other: the same scenario, costs and seed give the same digest.
const [first] = lines;
const again = simulate(host, { costs: first.costs, seed: first.seed, limit: false });
console.log(`the same again: ${again.results[0].digest === first.digest}`);

// What the best mask leaves idle, and the way of a packet.
const [best] = sections[0].rows;
const rps = { cpus: best.lines[0].options['nics.eth0.rps.cpus'] };
const { recording, cpus } = simulate(
  { ...host, nics: { eth0: { irqs: [0], rps } } },
  { record: true, limit: false },
).results[0];
console.log(`busy: ${cpus.map(({ busyShare }) => `${Math.round(100 * busyShare)} %`).join(', ')}`);
console.log(
  `a packet sees CPUs ${recording.path.cpus.join(' -> ')}, ${recording.path.latencyUs.toFixed(0)} us`,
);
