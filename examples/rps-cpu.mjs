// The CPU that Linux RPS picks, with the kernel's own key if you know it: both directions agree.   node examples/rps-cpu.mjs
import { explain, flowFrame, hex32, LinuxFlowHash, parseFlow, parseHex, parseMask, rscale } from 'rxsteer';

const key = '000102030405060708090a0b0c0d0e0f';
for (const flow of ['tcp 192.0.2.1:40000 > 192.0.2.2:443', 'tcp 192.0.2.2:443 > 192.0.2.1:40000']) {
  console.log(explain(`rps:cpus=0-3,key=${key}`, flow).reason);
}
// The same by hand: hash, then (hash * CPUs) >> 32 into the list that rps_cpus sets.
const frame = flowFrame(parseFlow('tcp 192.0.2.1:40000 > 192.0.2.2:443', 'flow'));
const hash = new LinuxFlowHash(parseHex(key, 'key')).hashFrame(frame, 0, frame.length);
const { bits } = parseMask('f', 4);
console.log(`${hex32(hash)} -> CPU ${bits[rscale(hash, bits.length)]}`);
