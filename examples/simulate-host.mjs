// A host with four guests behind one-queue vhost devices: flow steering against steering by MAC address, on virtual
// time, and what limits each.   node examples/simulate-host.mjs [SCENARIO.yaml [COSTS.yaml]]
import {
  COST_SETS,
  CPU_CLASSES,
  fitScaling,
  parseScenario,
  parseScenarioText,
  readCaptures,
  readCosts,
  readScenario,
  scaled,
  simulate,
} from 'rxsteer';

const [file, costsFile] = process.argv.slice(2);
const made = parseScenarioText(`
name: four guests
durationMs: 5
warmupMs: 2
policies: [ 'rss:queues=4', 'mac:stage=nic,assign=follow-cpu' ]
host: { cpus: { cores: 8 } }
nics: { eth0: { queues: 4, irqs: 0-3 } }
workers: 0-3
guests:
  vm: { count: 4, vcpus: 1, cpus: 4-7, workerCpus: 0-3, tapLock: shared }
load: [ { kind: open, rate: 150000, flows: 64 } ]
`);
const scenario = file === undefined ? made : readScenario(file);
const captures = await readCaptures(scenario);
const costs = costsFile === undefined ? COST_SETS[0].name : readCosts(costsFile);
for (const { policy, throughput, cpu, perPacket, limit } of simulate(scenario, { costs, captures }).results) {
  const most = CPU_CLASSES.reduce((a, b) => (cpu.classes[b] > cpu.classes[a] ? b : a));
  console.log(
    `${policy.padEnd(33)} ${Math.round(throughput.value / 1000)}k ${throughput.unit}, ` +
      `${cpu.usPerOperation.toFixed(2)} us CPU each, most of it ${most}, ` +
      `${perPacket.lockWaitNs.toFixed(0)} ns lock waits, ${perPacket.remoteLines.toFixed(1)} remote lines; limit: ${limit?.name}`,
  );
}

// Does one CPU more bring one CPU's worth more? The host of a web server, 1 to 8 CPUs.
const points = [1, 2, 4, 8].map((n) => {
  const host = parseScenario({
    durationMs: 5,
    host: { cpus: { cores: n }, apps: [{ kind: 'echo', local: 1 }] },
    nics: { eth0: { queues: n, irqs: [`0-${n - 1}`] } },
    load: [{ kind: 'closed', clients: 200 }],
  });
  return { n, x: simulate(host, { limit: false }).results[0].throughput.value };
});
const law = fitScaling(points);
console.log(`16 CPUs would make ${(scaled(law, 16) / points[0].x).toFixed(1)} times what one does`);
