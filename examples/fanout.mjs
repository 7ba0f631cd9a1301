// Which socket of a PACKET_FANOUT group gets each packet? Four modes, twelve packets.   node examples/fanout.mjs
import {
  decodeFanoutArgument,
  encodeFanoutArgument,
  FanoutFlag,
  FanoutGroup,
  FanoutMode,
  flowFrame,
  LinuxFlowHash,
  parseFlow,
  parseHex,
} from 'rxsteer';

const symmetric = new LinuxFlowHash(parseHex('000102030405060708090a0b0c0d0e0f', 'key'), { symmetric: true });
const hashes = Array.from({ length: 12 }, (_, n) => {
  const frame = flowFrame(parseFlow(`udp 10.0.0.1:${5000 + (n % 4)} > 10.0.0.2:53`, 'flow'));
  return symmetric.hashFrame(frame, 0, frame.length);
});
for (const mode of ['hash', 'lb', 'cpu', 'rnd']) {
  const group = new FanoutGroup({ mode, seed: 1 });
  for (const socket of ['a', 'b', 'c']) group.join(socket);
  const chosen = hashes.map(
    (hash, n) => group.members[group.choose({ hash, cpu: n >> 2, queueMapping: 0 })].id,
  );
  console.log(`${mode.padEnd(4)} ${chosen.join(' ')}`);
}
const argument = encodeFanoutArgument(7, 'hash', FanoutFlag.rollover);
console.log(
  `setsockopt 0x${argument.toString(16)}:`,
  decodeFanoutArgument(argument),
  `mode hash is ${FanoutMode.hash}`,
);
