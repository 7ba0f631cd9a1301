// Every NIC that is known by name: queues, table, key, types.
import * as rx from 'rxsteer';

console.log(`${rx.NIC_NAMES.length} NICs; tables have at most ${rx.TABLE_SIZE_MAX} entries`);
for (const id of rx.NIC_NAMES) {
  const profile = rx.nicProfile(id);
  const { keyBytes, key, maxQueues, start, types } = profile;
  const size = rx.defaultTableSize(profile, 8);
  const quirks = [
    start !== 0 && `start ${rx.hex32(start)}`,
    profile.keyOrder !== 'plain' && profile.keyOrder,
    profile.output !== 'whole' && profile.output,
  ];
  const hashed = types.length === rx.GENERIC_TYPES.length ? 'all types' : types.join('+');
  console.log(
    id,
    `table ${size}, key ${key} of ${keyBytes}, queues up to ${maxQueues ?? 'any'}, ${hashed}`,
    ...quirks.filter(Boolean),
  );
}
const ena = rx.nicProfile('ena');
console.log(
  'ena uses',
  rx.toHex(rx.deviceKey(ena, rx.namedKey('microsoft')).slice(0, 4)),
  'where the driver gives',
  rx.toHex(rx.namedKey('microsoft').slice(-4)),
);
try {
  rx.nicProfile('intel');
} catch (error) {
  console.log(error instanceof rx.UserError, error.message);
}
