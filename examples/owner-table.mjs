// The table behind MAC steering, by itself: learning, announcements, moves by hand.
import * as rx from 'rxsteer';

const limits = { workers: 3, guests: 64, guestsPerPort: 4 };
const table = new rx.OwnerTable(new SharedArrayBuffer(rx.ownerTableBytes(64)), limits);
const outcome = (code) => Object.keys(rx.Learned).find((name) => rx.Learned[name] === code);
const loads = () => [0, 1, 2].map((worker) => table.load(worker)).join(' ');
const fixed = rx.parseMac('52:54:00:00:00:ff', 'mac');
table.configure(rx.ANY_VLAN, fixed.high, fixed.low, 2);
for (let n = 1; n <= 6; n++) {
  const { high, low } = rx.parseMac(`52:54:00:00:00:0${n}`, 'mac');
  const learned = outcome(table.learn(0, high, low, n < 6 ? 1 : 2, -1));
  const owner = table.find(0, high, low);
  console.log(
    `${rx.formatMac(high, low)}: ${learned}, owner ${owner === rx.NO_OWNER ? 'none' : owner}; loads ${loads()}`,
  );
}
const first = rx.parseMac('52:54:00:00:00:01', 'mac');
table.relocate(0, first.high, first.low, 3, -1);
console.log(
  `announced on port ${table.portOf(0, first.high, first.low)}, owner still ${table.find(0, first.high, first.low)}`,
);
table.move(0, first.high, first.low, 1);
console.log(`moved by hand: loads ${loads()}`);
