// XDP's cpumap: bulks of 8, a ring for each CPU, and no order when the program changes its mind.   node examples/cpumap.mjs
import { CPUMAP_BULK, CPUMAP_QSIZE_MAX, CpuMap } from 'rxsteer';

const map = new CpuMap({ maxEntries: 4, possibleCpus: 4 });
map.update(1, 192);
map.update(2, 192);
console.log(`bulks of ${CPUMAP_BULK}, qsize ${CPUMAP_QSIZE_MAX + 1}:`, map.update(3, CPUMAP_QSIZE_MAX + 1));
// One flow: its program sends packets 0-9 to CPU 1, the later ones to CPU 2, which is idle.
for (let packet = 0; packet < 16; packet++) map.redirect(0, packet < 10 ? 1 : 2, packet);
map.flush(0);
console.log('delivered', ...map.consume(2), 'before', ...map.consume(1), ...map.consume(1));
for (let packet = 0; packet < 300; packet++) map.redirect(0, 1, packet);
map.flush(0);
console.log('CPU 1:', map.counters(1));
