// mixgen: sends sequence-numbered UDP flows whose frames are of several kinds, by one AF_PACKET socket.
//
//   mixgen --interface IF [--flows N] [--packets N] [--rate PPS] [--kinds plain+partial+super] [--segments N]
//          [--size BYTES] [--cpu N] [--first-flow F] [--protocol udp|tcp] [--vlan ID]
//
// The frames of a flow take the kinds in turn:
//   plain    a whole frame with its checksum
//   partial  the same, its checksum left to the device (VIRTIO_NET_HDR_F_NEEDS_CSUM)
//   super    `segments` datagrams in one frame (VIRTIO_NET_HDR_GSO_UDP_L4), as an application with UDP_SEGMENT sends;
//            with TCP as many segments (VIRTIO_NET_HDR_GSO_TCPV4)
// Every datagram has a sequence number (see common.h), so `pktsink` can tell what was overtaken; of a super-frame that
// arrives whole it sees the first one only. Addresses and ports are those of pktgen.
//
// It prints one JSON object: frames sent, datagrams in them, sends that were refused for want of room and tried again.
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "common.h"

namespace {

enum class Kind { plain, partial, super };

struct VnetHeader {
  uint8_t flags = 0, gsoType = 0;
  uint16_t hdrLen = 0, gsoSize = 0, csumStart = 0, csumOffset = 0;
};
constexpr int kUdpHeader = 8, kTcpHeader = 20;

uint32_t sum16(const uint8_t* p, size_t length) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < length; i += 2) sum += get16(p + i);
  if (length & 1) sum += uint32_t(p[length - 1]) << 8;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}
uint32_t fold(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

std::vector<Kind> kindsOf(const std::string& text) {
  std::vector<Kind> kinds;
  const std::string list = text + "+";
  for (size_t at = 0, plus; (plus = list.find('+', at)) != std::string::npos; at = plus + 1) {
    const std::string name = list.substr(at, plus - at);
    if (name == "plain") kinds.push_back(Kind::plain);
    else if (name == "partial") kinds.push_back(Kind::partial);
    else if (name == "super") kinds.push_back(Kind::super);
    else fail(2, "--kinds " + text + ": plain, partial and super, joined by +");
  }
  return kinds;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options(argc, argv,
                        {"interface", "flows", "packets", "rate", "kinds", "segments", "size", "cpu", "first-flow",
                         "protocol", "vlan"});
  const int index = interface_index(options.required("interface"));
  const uint32_t flows = uint32_t(options.number("flows", 1, 1, 60000));
  const uint64_t packets = uint64_t(options.number("packets", 1000, 1, 1e12));
  const double rate = options.number("rate", 10000, 1, 1e7);
  const std::vector<Kind> kinds = kindsOf(options.text("kinds", "plain+partial+super"));
  const uint32_t segments = uint32_t(options.number("segments", 4, 1, 40));
  const int size = int(options.number("size", 100, 60, 1514));
  const bool tcp = options.text("protocol", "udp") == "tcp";
  const uint32_t vlan = uint32_t(options.number("vlan", 0, 0, 4094));
  const int l3 = vlan == 0 ? 14 : 18, l4 = l3 + 20, header = tcp ? kTcpHeader : kUdpHeader, data = l4 + header;
  const uint32_t protocol = tcp ? IPPROTO_TCP : IPPROTO_UDP;
  const uint32_t first = uint32_t(options.number("first-flow", 0, 0, 60000));
  pin_to(options);

  const int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) fail_errno("socket(AF_PACKET) (needs CAP_NET_RAW)");
  const int on = 1;
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) != 0) fail_errno("PACKET_VNET_HDR");
  const int buffer = 8 << 20;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = index;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail_errno("bind");

  struct Flow {
    uint32_t sequence = 0;
    size_t turn = 0;
  };
  std::vector<Flow> table(flows);
  const uint32_t part = uint32_t(size - data);
  std::vector<uint8_t> message(sizeof(VnetHeader) + data + size_t{segments} * part);
  uint64_t sent = 0, datagrams = 0, rejected = 0;
  const uint64_t start = now_ns();
  while (sent < packets) {
    const uint64_t due = start + uint64_t(double(sent) * 1e9 / rate);
    if (now_ns() < due) {
      const timespec t{time_t(due / 1000000000u), long(due % 1000000000u)};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr);
    }
    Flow& flow = table[sent % flows];
    const uint32_t number = first + uint32_t(sent % flows);
    const Kind kind = kinds[flow.turn++ % kinds.size()];
    const uint32_t count = kind == Kind::super ? segments : 1;
    const uint32_t payload = count * part;
    VnetHeader vnet;
    uint8_t* p = message.data() + sizeof vnet;
    std::fill(p, p + data + payload, uint8_t{0});
    put16(p, 0x0200);
    put32(p + 2, 0x00010000 + 0);
    put16(p + 6, 0x0200);
    put32(p + 8, 1);
    if (vlan != 0) {
      put16(p + 12, ETH_P_8021Q);
      put16(p + 14, vlan);
    }
    put16(p + l3 - 2, ETH_P_IP);
    uint8_t* ip = p + l3;
    ip[0] = 0x45;
    put16(ip + 2, uint32_t(20 + header) + payload);
    ip[6] = 0x40;
    ip[8] = 64;
    ip[9] = uint8_t(protocol);
    put32(ip + 12, 0x0a010000 + number + 1);
    put32(ip + 16, 0x0a020001);
    put16(ip + 10, ~sum16(ip, 20) & 0xffff);
    put16(p + l4, 1024 + number * 7919u % 60000u);
    put16(p + l4 + 2, 9);
    if (tcp) {
      put32(p + l4 + 4, flow.sequence * part);
      p[l4 + 12] = kTcpHeader / 4 << 4;
      p[l4 + 13] = 0x10;  // ACK
      put16(p + l4 + 14, 0xffff);
    } else {
      put16(p + l4 + 4, 8 + payload);
    }
    const int sumAt = tcp ? 16 : 6;
    for (uint32_t k = 0; k < count; k++) {
      put32(p + data + k * part, kMagic);
      put32(p + data + k * part + 4, number);
      put32(p + data + k * part + 8, flow.sequence + k);
    }
    const uint32_t pseudo = fold(sum16(ip + 12, 8) + protocol + uint32_t(header) + payload);
    if (kind == Kind::plain) {
      const uint32_t sum = ~fold(pseudo + sum16(p + l4, uint32_t(header) + payload)) & 0xffff;
      put16(p + l4 + sumAt, sum == 0 ? 0xffff : sum);
    } else {
      put16(p + l4 + sumAt, pseudo);
      vnet.flags = 1;
      vnet.csumStart = uint16_t(l4);
      vnet.csumOffset = uint16_t(sumAt);
      if (kind == Kind::super) {
        vnet.gsoType = tcp ? 1 : 5;
        vnet.gsoSize = uint16_t(part);
        vnet.hdrLen = uint16_t(data);
      }
    }
    memcpy(message.data(), &vnet, sizeof vnet);
    while (send(fd, message.data(), sizeof vnet + data + payload, 0) < 0) {
      if (errno != ENOBUFS && errno != EAGAIN) fail_errno("send");
      rejected++;
      usleep(50);
    }
    flow.sequence += count;
    sent++;
    datagrams += count;
  }
  printf("{\"sent\":%lu,\"datagrams\":%lu,\"rejected\":%lu}\n", sent, datagrams, rejected);
  return 0;
}
