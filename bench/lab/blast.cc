// blast: more 60-byte frames a second than one send a frame can make.
//
//   blast INTERFACE SECONDS [RATE]
//
// Every message is one UDP super-frame of 64 segments of 18 bytes (virtio-net header, UDP_L4); the kernel cuts it into
// 60-byte frames in the sender's context, where the interface has neither tx-udp-segmentation nor transmit checksums
// (ethtool -K IF tx off tx-udp-segmentation off). 64 flows, one a super-frame, in turn. RATE is in frames a second;
// without it, as many as it can. Prints {"sent":FRAMES,"packetsPerSecond":N}.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>


namespace {

constexpr int kFlows = 64;
constexpr int kSegments = 64;
constexpr int kPayload = 18;
constexpr int kHeaders = 42;
constexpr int kLength = kHeaders + kSegments * kPayload;

// struct virtio_net_hdr (linux/virtio_net.h is no C++), and the values used here.
struct __attribute__((packed)) VnetHeader {
  uint8_t flags, gso_type;
  uint16_t hdr_len, gso_size, csum_start, csum_offset;
};
constexpr uint8_t kNeedsCsum = 1;
constexpr uint8_t kGsoUdpL4 = 5;

struct __attribute__((packed)) Message {
  VnetHeader vnet;
  uint8_t frame[kLength];
};

uint64_t now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

void put16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

uint32_t sum16(const uint8_t* at, int bytes) {
  uint32_t sum = 0;
  for (int i = 0; i < bytes; i += 2) sum += static_cast<uint32_t>(at[i] << 8 | at[i + 1]);
  return sum;
}

uint32_t fold(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

void fill(Message& m, int flow) {
  memset(&m, 0, sizeof m);
  m.vnet.flags = kNeedsCsum;
  m.vnet.gso_type = kGsoUdpL4;
  m.vnet.hdr_len = kHeaders;
  m.vnet.gso_size = kPayload;
  m.vnet.csum_start = 34;
  m.vnet.csum_offset = 6;
  uint8_t* p = m.frame;
  const uint8_t macs[] = {2, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 1, 8, 0};
  memcpy(p, macs, sizeof macs);
  uint8_t* ip = p + 14;
  ip[0] = 0x45;
  put16(ip + 2, kLength - 14);
  ip[8] = 64;
  ip[9] = 17;
  const uint8_t addresses[] = {10, 1, 0, static_cast<uint8_t>(flow + 1), 10, 2, 0, 1};
  memcpy(ip + 12, addresses, sizeof addresses);
  put16(ip + 10, ~fold(sum16(ip, 20)) & 0xffff);
  uint8_t* udp = ip + 20;
  put16(udp, static_cast<uint32_t>(1024 + flow));
  put16(udp + 2, 9);
  put16(udp + 4, kLength - 34);
  // The pseudo header's sum; the kernel adds the rest for each segment.
  put16(udp + 6, fold(sum16(ip + 12, 8) + 17 + kLength - 34));
}

[[noreturn]] void fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    fprintf(stderr, "blast INTERFACE SECONDS [RATE]\n");
    return 2;
  }
  const double seconds = atof(argv[2]);
  const double rate = argc > 3 ? atof(argv[3]) : 0;
  const int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) fail("socket");
  const int on = 1;
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) != 0) fail("PACKET_VNET_HDR");
  const int buffer = 8 << 20;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(if_nametoindex(argv[1]));
  if (address.sll_ifindex == 0) fail(argv[1]);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("bind");
  static Message messages[kFlows];
  for (int f = 0; f < kFlows; f++) fill(messages[f], f);
  const uint64_t start = now();
  const uint64_t end = start + static_cast<uint64_t>(seconds * 1e9);
  uint64_t sent = 0;
  for (int flow = 0;; ) {
    const uint64_t t = now();
    if (t >= end) break;
    if (rate > 0 && static_cast<double>(sent) > static_cast<double>(t - start) * rate / 1e9) continue;
    if (send(fd, &messages[flow], sizeof(Message), 0) < 0) {
      if (errno == ENOBUFS || errno == EAGAIN || errno == EINTR) continue;
      fail("send");
    }
    flow = (flow + 1) % kFlows;
    sent += kSegments;
  }
  const double elapsed = static_cast<double>(now() - start);
  printf("{\"sent\":%lu,\"packetsPerSecond\":%.0f}\n", sent, static_cast<double>(sent) * 1e9 / elapsed);
  return 0;
}
