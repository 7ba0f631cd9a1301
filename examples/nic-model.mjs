// Which queue, and which stage of the NIC decided: filters, a flow rule, ATR, RSS.   node examples/nic-model.mjs
import {
  Atr,
  Burst,
  dissectBurst,
  ethernet,
  FLOW_TYPES,
  formatNtuple,
  ipv4,
  NicFilters,
  NicModel,
  NTUPLE_FIELDS,
  NtupleTable,
  namedKey,
  nicProfile,
  parseNtuple,
  RssContexts,
  SignatureTable,
  tcp,
} from 'rxsteer';

const profile = nicProfile('ixgbe-82599');
const nic = new NicModel({ profile, queues: 64, key: namedKey('microsoft'), atr: {} });
nic.filters.setSyn({ queue: 63, priority: 'high' });
nic.filters.addTuple({ protocol: 6, dport: 22, priority: 7, queue: 62 });

function burstOf(src, sport, dst, dport, flags) {
  const frame = ethernet({}, ipv4({ src, dst }, tcp({ sport, dport, flags })));
  const burst = new Burst(frame);
  burst.add(0, frame.length);
  dissectBurst(burst);
  return burst;
}
const SYN = 2;
const ACK = 16;
const show = (dport, flags) =>
  console.log(nic.receive(burstOf('10.0.0.1', 1000, '10.0.0.2', dport, flags), 0).reason);

show(80, SYN);
show(22, ACK);
show(80, ACK);
// The host answers on ring 40: from now on the flow is received there.
nic.transmit(burstOf('10.0.0.2', 80, '10.0.0.1', 1000, SYN | ACK), 0, 40);
show(80, ACK);
// A flow rule, in the words of ethtool -N; ATR is off from now on.
nic.rules.add(parseNtuple('flow-type tcp4 dst-port 80 action 3', 'rule'));
show(80, ACK);

// The parts, as they may be used alone.
const rule = parseNtuple('flow-type udp4 dst-port 53 context 1', 'rule');
const contexts = new RssContexts({ size: 128, queues: 8, key: namedKey('microsoft') });
contexts.create({ start: 4, equal: 2 });
const rules = new NtupleTable({ ...nic.rules.limits, oneMask: false, buckets: false }, 8, contexts);
console.log(`loc ${rules.add(rule)}: ${formatNtuple(rule)}`);
const filters = new NicFilters(nic.chip, 8);
filters.addEthertype({ ethertype: 0x88cc, queue: 1 });
const atr = new Atr({ queues: 8, sampleRate: 20 });
console.log(`${atr.table.capacity} signatures, or ${new SignatureTable(256).capacity} with all the memory`);
console.log(`${FLOW_TYPES.length} flow types, ${NTUPLE_FIELDS.length} fields, filters: ${!filters.isEmpty}`);
