// What was published about receive steering in virtual machines' hosts, simulated: which presets there are, one of them
// changed, and a family of them held against its published figures.   node examples/simulate-presets.mjs [FAMILY]
import { presetNamed, presets, simulate, validatePresets } from 'rxsteer';

const [family = 'workers'] = process.argv.slice(2);
for (const { name, about } of presets().filter((preset) => preset.family === family)) {
  console.log(`${name}: ${about}`);
}

// The same with the latency of one request at a time: a preset is a plain object.
const { scenario } = presetNamed('halt-polling/rr');
const polls = { ...scenario, guests: { vm: { ...scenario.guests.vm, hostPollUs: 100 } } };
const mean = (one) => simulate(one, { limit: false }).results[0].latencyUs.mean.toFixed(1);
console.log(
  `a guest that halts answers in ${mean(scenario)} us, with polling of the host in ${mean(polls)} us`,
);

const { rows, predicted } = validatePresets({ families: [family] });
for (const { preset, published, simulated, holds } of rows) {
  console.log(
    `${preset}: published ${published}, simulated ${Math.round(simulated)}${holds ? '' : ': misses'}`,
  );
}
console.log(`${predicted.hold} of ${predicted.all} predictions hold`);
