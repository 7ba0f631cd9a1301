// attacker: what a hostile guest can send, for suite `hostile`.
//
//   attacker KIND tap|link NAME PER_SECOND
//
// `tap` makes a TAP and holds it as QEMU does (virtio-net headers, all offloads), `link` sends out of an interface by a
// packet socket with virtio-net headers. Frames go out until SIGTERM; 0 a second = as many as possible. Kinds:
//   ufo        super-frames of a type that packet sockets cannot express
//   tiny       64 KiB TCP super-frames of 8-byte segments, to 02:00:00:00:aa:01
//   super      64 KiB TCP super-frames of an Ethernet MSS, to the same
//   broadcast  60-byte ARP-like broadcasts
//   unknown    60-byte UDP to addresses that nobody has
//   macs       60-byte UDP from random addresses
//   crafted    the same from and to addresses that share a place in tables whose hash is not seeded
//   flows      60-byte UDP to 02:00:00:00:aa:01, each frame a new flow
// Prints `ready` on standard error, then {"sent": N} at the end: frames that the kernel took.
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../tools/common.h"

namespace {

volatile sig_atomic_t stopped = 0;
void on_signal(int) { stopped = 1; }

struct Vnet {
  uint8_t flags, type;
  uint16_t header, size, start, offset;
};

uint8_t frame[66000];
Vnet vnet;
uint64_t state = 88172645463325252ull;

uint32_t random32() {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return uint32_t(state >> 16);
}

void mac(int at, uint16_t high, uint32_t low) {
  put16(frame + at, high);
  put32(frame + at + 2, low);
}

// An IPv4 header and ports behind it; returns the length of the frame.
int ip(int length, uint8_t protocol) {
  memset(frame + 12, 0, 46);
  put16(frame + 12, ETH_P_IP);
  frame[14] = 0x45;
  put16(frame + 16, uint32_t(length - 14));
  frame[22] = 64;
  frame[23] = protocol;
  put32(frame + 26, 0x0a090001);
  put32(frame + 30, 0x0a090101);
  uint32_t sum = 0;
  for (int i = 14; i < 34; i += 2) sum += get16(frame + i);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  put16(frame + 24, ~sum & 0xffff);
  put16(frame + 34, 4000);
  put16(frame + 36, 9);
  if (protocol == 17) put16(frame + 38, uint32_t(length - 34));
  if (protocol == 6) frame[46] = 0x50;
  return length;
}

int offload(uint8_t type, uint16_t header, uint16_t size, uint16_t offset, int length) {
  vnet = {1, type, header, size, 34, offset};
  return length;
}

uint32_t inverse(uint32_t odd) {
  uint32_t x = odd;
  for (int i = 0; i < 5; i++) x *= 2 - odd * x;
  return x;
}

int make(const std::string& kind, uint32_t n) {
  vnet = {};
  mac(0, 0x0200, 0x0000aa01);
  mac(6, 0x0200, 0x0000bb01);
  if (kind == "ufo") return offload(3, 42, 1400, 6, ip(3000, 17));
  if (kind == "tiny") return offload(1, 54, 8, 16, ip(65000, 6));
  if (kind == "super") return offload(1, 54, 1448, 16, ip(65000, 6));
  if (kind == "broadcast") {
    memset(frame, 0xff, 6);
    ip(60, 17);
    put16(frame + 12, ETH_P_ARP);
    return 60;
  }
  if (kind == "unknown") mac(0, 0x0200, 0xcc000000 | (n & 0xffff));
  if (kind == "macs") mac(6, 0x0200 | (random32() & 0xfc), random32());
  if (kind == "crafted") {
    // The product with the golden ratio has the same high bits for all of them.
    const uint32_t low = inverse(0x9e3779b1u) * (n & 0x3fff);
    mac(6, 0x0200, low ^ 0x0200);
    mac(0, 0x0200, inverse(0x9e3779b1u) * ((n + 1) & 0x3fff) ^ 0x0200);
  }
  ip(60, 17);
  if (kind == "flows") {
    put16(frame + 34, random32() & 0xffff);
    put16(frame + 36, random32() & 0xffff);
  }
  return 60;
}

int open_tap(const char* name) {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (fd < 0) fail_errno("/dev/net/tun");
  ifreq request{};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(fd, TUNSETIFF, &request) != 0) fail_errno("TUNSETIFF");
  // Checksums, TSO with ECN, UFO; segmented UDP where the kernel has it.
  if (ioctl(fd, TUNSETOFFLOAD, 0x7f) != 0 && ioctl(fd, TUNSETOFFLOAD, 0x1f) != 0) fail_errno("TUNSETOFFLOAD");
  const int control = socket(AF_INET, SOCK_DGRAM, 0);
  if (ioctl(control, SIOCGIFFLAGS, &request) != 0) fail_errno("SIOCGIFFLAGS");
  request.ifr_flags |= IFF_UP;
  if (ioctl(control, SIOCSIFFLAGS, &request) != 0) fail_errno("SIOCSIFFLAGS");
  close(control);
  return fd;
}

int open_link(const char* name) {
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
  const int one = 1;
  if (fd < 0) fail_errno("socket");
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) != 0) fail_errno("PACKET_VNET_HDR");
  if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) != 0) fail_errno("PACKET_QDISC_BYPASS");
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = int(if_nametoindex(name));
  if (bind(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) fail_errno("bind");
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) fail(2, "usage: attacker KIND tap|link NAME PER_SECOND");
  const std::string kind = argv[1];
  const bool tap = std::string(argv[2]) == "tap";
  const double rate = atof(argv[4]);
  signal(SIGTERM, on_signal);
  signal(SIGINT, on_signal);
  const int fd = tap ? open_tap(argv[3]) : open_link(argv[3]);
  fprintf(stderr, "ready\n");
  static uint8_t trash[70000];
  uint64_t tried = 0, sent = 0;
  const uint64_t start = now_ns();
  while (!stopped) {
    // A guest takes what it is sent, or its queue fills.
    while (tap && read(fd, trash, sizeof trash) > 0) {}
    if (rate > 0 && double(tried) > rate * double(now_ns() - start) / 1e9) {
      usleep(200);
      continue;
    }
    for (int i = 0; i < 16; i++) {
      const int length = make(kind, uint32_t(tried++));
      iovec parts[2] = {{&vnet, sizeof vnet}, {frame, size_t(length)}};
      if (writev(fd, parts, 2) > 0) sent++;
    }
  }
  printf("{\"sent\": %llu}\n", (unsigned long long)sent);
  return 0;
}
