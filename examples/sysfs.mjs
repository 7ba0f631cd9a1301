// What the kernel makes of the texts that are written to its steering files, and of which release.
import * as rx from 'rxsteer';

const machine = { nrCpuIds: 8, online: [0, 1, 2, 3] };
for (const text of ['f', 'ff', '1ff', '0,3', 'xyz'])
  console.log(`rps_cpus < ${text}:`, JSON.stringify(rx.writeRpsCpus(text, machine)));
for (const text of ['3000', '0x1000', '-1']) {
  console.log(`rps_flow_cnt < ${text}:`, JSON.stringify(rx.writeRpsFlowCnt(text, {})));
  console.log(`rps_sock_flow_entries < ${text}:`, JSON.stringify(rx.writeRpsSockFlowEntries(text)));
  console.log(`flow_limit_table_len < ${text}:`, JSON.stringify(rx.writeFlowLimitTableLen(text)));
}
console.log(
  'reads back',
  rx.formatMask([0, 33], 40),
  '; policy strings write',
  rx.parseCpuList('cpus', '0-1+3').join(),
);
console.log('slot of a hash: hash_32 gives', rx.hash32(0x12345, 8), 'since 6.15; before: the low bits');
for (const release of ['3.10', '5.10', '6.18']) {
  const changed = Object.entries(rx.linuxBehaviour(release)).filter(
    ([name, value]) => rx.MODERN[name] !== value,
  );
  console.log(release, changed.map(([name, value]) => `${name}=${value}`).join(' ') || 'as MODERN');
}
const row =
  '000003e9 000000c7 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000001 00000000';
console.log(rx.parseSoftnetStat(`${row}\n`)[0]);
