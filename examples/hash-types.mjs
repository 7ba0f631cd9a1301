// Which hash type covers a packet, and why: a NIC without UDP, and one for Mobile IPv6.
import * as rx from 'rxsteer';

const v6 = { src: '2001:db8::1', dst: '2001:db8::2', extensions: [rx.homeAddressExtension('2001:db8::9')] };
const packets = {
  udp: rx.flowFrame(rx.parseFlow('udp 10.0.0.1:1 > 10.0.0.2:2', 'flow')),
  tcp: rx.flowFrame(rx.parseFlow('tcp 10.0.0.1:1 > 10.0.0.2:2', 'flow')),
  fragment: rx.ethernet(
    {},
    rx.ipv4({ src: '10.0.0.1', dst: '10.0.0.2', moreFragments: true }, rx.tcp({ sport: 1, dport: 2 })),
  ),
  mobile: rx.ethernet({}, rx.ipv6(v6, rx.tcp({ sport: 1, dport: 2 }))),
};
for (const types of ['ipv4+tcp-ipv4', 'ipv4+ipv6+tcp-ipv6+tcp-ipv6-ex']) {
  const steering = rx.toSteering(`rss:queues=4,types=${types}`);
  const mask = rx.hashTypeMask(types.split('+'));
  rx.steerFrames(steering, Object.values(packets), {
    onBurst: (burst) =>
      Object.keys(packets).forEach((name, i) => {
        const type = burst.hashType[i];
        console.log(
          `${types}: ${name}: ${rx.HASH_TYPE_NAMES[type]}${type === rx.HashType.none ? ' (queue 0)' : ''}; ${rx.explainHashType(burst.kind[i], type, mask)}`,
        );
      }),
  });
}
