// pktgen: sends sequence-numbered flows out of an interface by AF_PACKET (sendmmsg, qdisc bypass).
//
//   pktgen --interface IF [--proto udp4|udp6|tcp4|tcp6] [--flows N] [--guests M] [--sources M] [--size BYTES] [--vlan ID]
//          [--rate PPS|max] [--packets N] [--duration SECONDS] [--burst N] [--batch N] [--time on|off]
//          [--src-mac MAC] [--dst-mac MAC] [--bypass on|off] [--cpu N] [--order LIST] [--first-flow F]
//
// Frames go through the flows in turn, `burst` frames of each. Flow f has source address 10.1.0.0 + f (or
// fd00:1:: + f), its own source port, and goes to guest g = f mod M: MAC dst-mac + g, address 10.2.0.0 + g; its
// source MAC is src-mac + (f mod sources). Flows count from `first-flow` (0), so that a sink can tell generators apart.
// `size` is that of the frame without FCS, VLAN tag included. Checksums are right. TCP frames are acknowledgements
// with payload of a connection that nobody opened: for forwarding only.
//
// `order` gives the sequence numbers of flow 0 in the order of sending (`0,1,3,2`): how a checker is checked.
//
// It ends after `packets`, after `duration`, or on SIGTERM or SIGINT, and prints one JSON object. `sent` is what
// the kernel took, `rejected` counts sends that failed for want of room and were tried again, `txDropped` is the
// interface's own count: a veth whose peer's backlog is full counts a drop and refuses the frame (Linux 6.18: they
// are the rejected ones), or takes and drops it (older kernels: they are among the sent ones).
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "common.h"

namespace {

volatile sig_atomic_t stopped = 0;
void on_signal(int) { stopped = 1; }

uint32_t sum16(const uint8_t* p, size_t length) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < length; i += 2) sum += get16(p + i);
  if (length & 1) sum += uint32_t(p[length - 1]) << 8;
  return sum;
}
uint32_t fold(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

uint64_t parse_mac(const char* option, const std::string& text) {
  unsigned b[6];
  char rest;
  if (sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%c", b, b + 1, b + 2, b + 3, b + 4, b + 5, &rest) != 6)
    fail(2, std::string(option) + " " + text + ": not a MAC address such as 02:00:00:00:00:01");
  uint64_t mac = 0;
  for (unsigned byte : b) mac = mac << 8 | byte;
  return mac;
}
void put_mac(uint8_t* p, uint64_t mac) {
  put16(p, uint32_t(mac >> 32));
  put32(p + 2, uint32_t(mac));
}

// Where things lie in the frames of one run.
struct Shape {
  bool v6, tcp;
  int vlan;  // -1 = untagged
  int size;
  bool timed;
  int l3, l4, payload;
};

Shape make_shape(const Options& options) {
  Shape s{};
  const std::string proto = options.text("proto", "udp4");
  if (proto != "udp4" && proto != "udp6" && proto != "tcp4" && proto != "tcp6")
    fail(2, "--proto " + proto + ": udp4, udp6, tcp4 or tcp6");
  s.v6 = proto.back() == '6';
  s.tcp = proto[0] == 't';
  s.vlan = int(options.number("vlan", -1, 0, 4095));
  s.l3 = s.vlan < 0 ? 14 : 18;
  s.l4 = s.l3 + (s.v6 ? 40 : 20);
  s.payload = s.l4 + (s.tcp ? 20 : 8);
  const int least = std::max(60, s.payload + kPayloadMin);
  s.size = int(options.number("size", least, 0, 65000));
  if (s.size < least)
    fail(2, "--size " + std::to_string(s.size) + ": frames of " + proto + " need " + std::to_string(least) + " bytes");
  s.timed = options.flag("time", true) && s.size >= s.payload + kPayloadTimed;
  return s;
}

// The frame of a flow with sequence and time 0, and the checksum field as the unfolded sum of all else.
std::vector<uint8_t> make_frame(const Shape& s, uint32_t flow, uint32_t guests, uint64_t src_mac, uint64_t dst_mac,
                                uint32_t* partial) {
  std::vector<uint8_t> frame(size_t(s.size), 0);
  uint8_t* p = frame.data();
  const uint32_t guest = flow % guests;
  put_mac(p, dst_mac + guest);
  put_mac(p + 6, src_mac);
  const uint32_t type = s.v6 ? ETH_P_IPV6 : ETH_P_IP;
  if (s.vlan >= 0) {
    put16(p + 12, ETH_P_8021Q);
    put16(p + 14, uint32_t(s.vlan));
    put16(p + 16, type);
  } else {
    put16(p + 12, type);
  }
  uint8_t* ip = p + s.l3;
  uint8_t* l4 = p + s.l4;
  const uint32_t l4_length = uint32_t(s.size - s.l4);
  const uint32_t protocol = s.tcp ? IPPROTO_TCP : IPPROTO_UDP;
  uint32_t sum = protocol + l4_length;
  if (s.v6) {
    ip[0] = 0x60;
    put16(ip + 4, l4_length);
    ip[6] = uint8_t(protocol);
    ip[7] = 64;
    put32(ip + 8, 0xfd000001);
    put32(ip + 20, flow + 1);
    put32(ip + 24, 0xfd000002);
    put32(ip + 36, guest + 1);
    sum += sum16(ip + 8, 32);
  } else {
    ip[0] = 0x45;
    put16(ip + 2, uint32_t(s.size - s.l3));
    ip[6] = 0x40;  // don't fragment
    ip[8] = 64;
    ip[9] = uint8_t(protocol);
    put32(ip + 12, 0x0a010000 + flow + 1);
    put32(ip + 16, 0x0a020000 + guest + 1);
    put16(ip + 10, ~fold(sum16(ip, 20)) & 0xffff);
    sum += sum16(ip + 12, 8);
  }
  put16(l4, 1024 + flow * 7919u % 60000u);
  put16(l4 + 2, 9);
  if (s.tcp) {
    l4[12] = 0x50;
    l4[13] = 0x10;  // ACK
    put16(l4 + 14, 0xffff);
  } else {
    put16(l4 + 4, l4_length);
  }
  uint8_t* payload = p + s.payload;
  put32(payload, kMagic);
  put32(payload + 4, flow);
  *partial = sum + sum16(l4, l4_length);
  return frame;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options(argc, argv,
                        {"interface", "proto", "flows", "guests", "sources", "size", "vlan", "rate", "packets", "duration",
                         "burst", "batch", "time", "src-mac", "dst-mac", "bypass", "cpu", "order", "first-flow"});
  const std::string interface = options.required("interface");
  const int index = interface_index(interface);
  const Shape shape = make_shape(options);
  const uint32_t flows = uint32_t(options.number("flows", 1, 1, 60000));
  const uint32_t first_flow = uint32_t(options.number("first-flow", 0, 0, 60000));
  const uint32_t guests = uint32_t(options.number("guests", 1, 1, 60000));
  const uint32_t sources = uint32_t(options.number("sources", 1, 1, 60000));
  const uint64_t src_mac = parse_mac("--src-mac", options.text("src-mac", "02:00:00:00:00:01"));
  const uint64_t dst_mac = parse_mac("--dst-mac", options.text("dst-mac", "02:00:00:01:00:00"));
  uint64_t packets = uint64_t(options.number("packets", 0, 0, 1e15));
  const double duration = options.number("duration", 0, 0, 1e6);
  const double rate = options.text("rate", "max") == "max" ? 0 : options.number("rate", 0, 0.001, 1e9);
  const uint32_t burst = uint32_t(options.number("burst", 1, 1, 1e6));
  const int batch = int(options.number("batch", 64, 1, 1024));
  std::vector<uint32_t> order;
  if (options.given("order")) {
    const std::string list = options.text("order", "") + ",";
    for (size_t at = 0, comma; (comma = list.find(',', at)) != std::string::npos; at = comma + 1)
      order.push_back(uint32_t(strtoul(list.c_str() + at, nullptr, 10)));
    if (flows != 1) fail(2, "--order: one flow only");
    packets = order.size();
  }
  if (packets == 0 && duration == 0) fail(2, "--packets or --duration is missing");
  pin_to(options);

  const int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) fail_errno("socket(AF_PACKET) (needs CAP_NET_RAW)");
  const int bypass = options.flag("bypass", true) ? 1 : 0;
  if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, sizeof bypass) != 0) fail_errno("PACKET_QDISC_BYPASS");
  const int buffer = 8 << 20;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = index;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail_errno("bind " + interface);

  // One prepared head (headers and payload start) per flow. A batch may contain a flow several times, so each place
  // has its own copy of the head; what follows it is padding, all zero, and common to all.
  struct Flow {
    std::vector<uint8_t> frame;
    uint32_t partial;
    uint32_t next;
  };
  const int head = std::min(shape.size, shape.payload + kPayloadTimed);
  std::vector<Flow> table(flows);
  for (uint32_t f = 0; f < flows; f++) {
    const uint32_t flow = first_flow + f;
    table[f].frame = make_frame(shape, flow, guests, src_mac + flow % sources, dst_mac, &table[f].partial);
    table[f].frame.resize(size_t(head));
  }
  const int tail = shape.size - head;
  std::vector<uint8_t> heads(size_t(batch) * 128);
  std::vector<uint8_t> padding(size_t(tail) + 1);
  std::vector<iovec> parts(size_t(batch) * 2);
  std::vector<mmsghdr> messages(static_cast<size_t>(batch));
  for (int i = 0; i < batch; i++) {
    parts[2 * i] = {heads.data() + i * 128, size_t(head)};
    parts[2 * i + 1] = {padding.data(), size_t(tail)};
    messages[i] = {};
    messages[i].msg_hdr.msg_iov = &parts[2 * i];
    messages[i].msg_hdr.msg_iovlen = tail > 0 ? 2 : 1;
  }

  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);

  const uint64_t tx_before = statistic(interface, "tx_packets");
  const uint64_t dropped_before = statistic(interface, "tx_dropped");
  const CpuTime cpu = CpuTime::now();
  const uint64_t start = now_ns();
  const uint64_t end = duration > 0 ? start + uint64_t(duration * 1e9) : UINT64_MAX;
  uint64_t sent = 0, rejected = 0, made = 0;
  int failure = 0;
  int filled = 0, first = 0;  // frames in the batch, and how many of them have gone
  while (!stopped) {
    const uint64_t now = now_ns();
    if (now >= end) break;
    if (first == filled) {
      uint64_t want = uint64_t(batch);
      if (packets > 0) want = std::min(want, packets - sent);
      if (rate > 0) {
        // Frame k is due at start + k / rate.
        const uint64_t due = uint64_t(double(now - start) * rate / 1e9) + 1;
        if (due <= sent) {
          const uint64_t next = std::min(end, start + uint64_t(double(sent) / rate * 1e9));
          if (next > now + 60000) {
            const uint64_t until = next - 50000;
            const timespec t{time_t(until / 1000000000u), long(until % 1000000000u)};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr);
          }
          continue;
        }
        want = std::min(want, due - sent);
      }
      if (want == 0) break;
      filled = int(want);
      first = 0;
      for (int i = 0; i < filled; i++, made++) {
        Flow& flow = table[made / burst % flows];
        uint8_t* p = heads.data() + i * 128;
        memcpy(p, flow.frame.data(), size_t(head));
        uint8_t* payload = p + shape.payload;
        const uint32_t sequence = order.empty() ? flow.next++ : order[made];
        put32(payload + 8, sequence);
        uint32_t sum = flow.partial + (sequence >> 16) + (sequence & 0xffff);
        if (shape.timed) {
          put64(payload + 12, now);
          sum += sum16(payload + 12, 8);
        }
        sum = ~fold(sum) & 0xffff;
        put16(p + shape.l4 + (shape.tcp ? 16 : 6), sum == 0 ? 0xffff : sum);
      }
    }
    const int n = sendmmsg(fd, messages.data() + first, unsigned(filled - first), 0);
    if (n > 0) {
      // Fewer than asked for: the next one was refused, and its error not told.
      if (n < filled - first) rejected++;
      first += n;
      sent += uint64_t(n);
    } else if (errno == ENOBUFS || errno == EAGAIN) {
      rejected++;
    } else if (errno != EINTR) {
      failure = errno;
      break;
    }
  }
  const uint64_t elapsed = now_ns() - start;
  const uint64_t used = CpuTime::now().total_ns - cpu.total_ns;
  printf("{\"sent\":%lu,\"bytes\":%lu,\"flows\":%u,\"guests\":%u,\"size\":%d,\"timed\":%s,\"durationMs\":%.3f,"
         "\"packetsPerSecond\":%.0f,\"rejected\":%lu,\"txPackets\":%lu,\"txDropped\":%lu,\"cpuNsPerPacket\":%.1f,"
         "\"error\":%s%s%s}\n",
         sent, sent * uint64_t(shape.size), flows, guests, shape.size, shape.timed ? "true" : "false",
         double(elapsed) / 1e6, double(sent) * 1e9 / double(elapsed), rejected,
         statistic(interface, "tx_packets") - tx_before, statistic(interface, "tx_dropped") - dropped_before,
         sent > 0 ? double(used) / double(sent) : 0.0, failure ? "\"" : "", failure ? strerror(failure) : "null",
         failure ? "\"" : "");
  return failure ? 1 : 0;
}
