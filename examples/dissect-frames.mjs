// What dissection sees of many kinds of frames: tags, extension headers, fragments, headers that lie.
import * as rx from 'rxsteer';

const [v4, v6] = [
  { src: '192.0.2.1', dst: '192.0.2.2' },
  { src: '2001:db8::1', dst: '2001:db8::2' },
];
const segment = rx.tcp({ sport: 40000, dport: 443, flags: rx.TcpFlag.syn });
const home = [rx.homeAddressExtension('2001:db8::9'), rx.routingExtension(2, '2001:db8::8')];
const frames = {
  'tcp, two tags': rx.ethernet(
    { vlans: [{ id: 7, tpid: rx.EtherType.serviceVlan }, 100] },
    rx.ipv4(v4, segment),
  ),
  'atomic fragment': rx.ethernet({}, rx.ipv6({ ...v6, extensions: [rx.fragmentExtension()] }, segment)),
  'mobile IPv6': rx.ethernet({}, rx.ipv6({ ...v6, extensions: home }, segment)),
  'last fragment': rx.ethernet({}, rx.ipv4({ ...v4, fragmentOffset: 1480 }, segment)),
  sctp: rx.ethernet({}, rx.ipv4(v4, rx.sctp({ sport: 36412, dport: 36412 }))),
  ping: rx.ethernet({}, rx.ipv4(v4, rx.icmp({ type: 8 }))),
  'ping, IPv6': rx.ethernet({}, rx.ipv6(v6, rx.icmpv6({ type: 128 }))),
  arp: rx.ethernet(
    {},
    rx.arp({ operation: 1, senderMac: '02:00:00:00:00:01', senderIp: v4.src, targetIp: v4.dst }),
  ),
  'length beyond the frame': rx.ethernet({}, rx.ipv4({ ...v4, totalLength: 1500 }, segment)),
  'cut by the capture': rx.ethernet({}, rx.ipv4({ ...v4, totalLength: 1500 }, segment)),
};
const burst = new rx.Burst(rx.concatBytes(...Object.values(frames)));
let at = 0;
for (const [name, { length }] of Object.entries(frames)) {
  burst.add(at, length, name.startsWith('cut') ? rx.FrameFlag.truncated : 0);
  at += length;
}
rx.dissectBurst(burst);
Object.keys(frames).forEach((name, i) => {
  const { ethertype, vlans, src, dst, protocol, sport, dport, fragment } = rx.describeFrame(burst, i);
  const bad = (burst.kind[i] & rx.Kind.bad) !== 0;
  console.log(
    `${name}:`,
    ethertype,
    JSON.stringify({ vlans, src, dst, protocol, sport, dport, fragment, bad }),
  );
});
