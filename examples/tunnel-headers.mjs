// Packets inside packets: eight tunnels around one TCP segment, found by name.
import * as rx from 'rxsteer';

const inner = rx.ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, rx.tcp({ sport: 40000, dport: 443 }));
const outer = (transport) => rx.ipv4({ src: '192.0.2.1', dst: '192.0.2.2' }, transport);
const udpTo = (dport, payload) => outer(rx.udp({ sport: 5000, dport }, payload));
const packets = [
  outer(rx.ipInIp(inner)),
  outer(rx.gre({ key: 7 }, inner)),
  udpTo(4789, rx.vxlan(42, rx.ethernet({}, inner))),
  udpTo(6081, rx.geneve(42, inner)),
  udpTo(2152, rx.gtpu(1, inner)),
  rx.mpls([16, 17], inner),
  rx.pppoe(1, inner),
];
const mask = rx.tunnelMask(rx.TUNNEL_NAMES);
for (const packet of packets) {
  const frame = rx.ethernet({}, packet);
  const [burst, inside] = [new rx.Burst(frame), new rx.Burst(frame)];
  burst.add(0, frame.length);
  rx.dissectBurst(burst);
  const where = new rx.InnerPacket();
  if (!rx.findInner(burst, 0, mask, where)) continue;
  rx.dissectInnerBurst(burst, inside, mask, new Int8Array(rx.BURST_MAX), new rx.InnerPacket());
  const { src, dst, sport, dport } = rx.describeFrame(inside, 0);
  console.log(
    `${rx.TUNNEL_NAMES[where.tunnel]} at byte ${where.position}: ${src}:${sport} > ${dst}:${dport}`,
  );
}
