// vlantap: a VLAN interface in user space, for kernels without 802.1Q devices.
//
//   vlantap --interface PARENT --tap NAME --vlan ID
//
// Creates the TAP `NAME` (up, with the parent's address) and moves frames between it and `PARENT`: frames from the TAP leave PARENT with the
// tag, frames with the tag that PARENT receives arrive at the TAP without. Offloads are kept: both sides carry the
// virtio-net header, so that GSO frames and partial checksums pass in both directions (csum_start moves with the
// tag). Frames on PARENT without the tag, or with another one, are not its business.
//
// Prints `ready` on standard error; ends on SIGTERM or SIGINT, and the TAP goes with it.
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "common.h"

namespace {

volatile sig_atomic_t stopped = 0;
void on_signal(int) { stopped = 1; }

// The virtio-net header; <linux/virtio_net.h> is no C++ on all systems.
struct VnetHeader {
  uint8_t flags, gso_type;
  uint16_t hdr_len, gso_size, csum_start, csum_offset;
};
constexpr uint8_t kNeedsCsum = 1;
constexpr int kVnet = int(sizeof(VnetHeader));
constexpr int kMost = 65535 + 18;

int open_tap(const std::string& name, const std::string& parent) {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (fd < 0) fail_errno("/dev/net/tun");
  ifreq request{};
  strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(fd, TUNSETIFF, &request) != 0) fail_errno("--tap " + name);
  const unsigned basic = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  // UDP segmentation needs Linux 6.2.
  if (ioctl(fd, TUNSETOFFLOAD, basic | 0x20 | 0x40) != 0 && ioctl(fd, TUNSETOFFLOAD, basic) != 0)
    fail_errno("TUNSETOFFLOAD");
  const int control = socket(AF_INET, SOCK_DGRAM, 0);
  // As a VLAN device has: a parent that filters by address (macvlan) lets only its own through.
  ifreq hardware{};
  strncpy(hardware.ifr_name, parent.c_str(), IFNAMSIZ - 1);
  if (ioctl(control, SIOCGIFHWADDR, &hardware) != 0) fail_errno("SIOCGIFHWADDR " + parent);
  memcpy(request.ifr_name, name.c_str(), std::min<size_t>(name.size() + 1, IFNAMSIZ));
  request.ifr_hwaddr = hardware.ifr_hwaddr;
  if (ioctl(control, SIOCSIFHWADDR, &request) != 0) fail_errno("SIOCSIFHWADDR " + name);
  request.ifr_flags = IFF_UP;
  if (ioctl(control, SIOCSIFFLAGS, &request) != 0) fail_errno("setting " + name + " up");
  close(control);
  return fd;
}

int open_packet(int index) {
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
  if (fd < 0) fail_errno("socket(AF_PACKET)");
  const int yes = 1;
  for (int option : {PACKET_AUXDATA, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING})
    if (setsockopt(fd, SOL_PACKET, option, &yes, sizeof yes) != 0) fail_errno("packet socket option");
  const int buffer = 16 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
  packet_mreq membership{};
  membership.mr_ifindex = index;
  membership.mr_type = PACKET_MR_PROMISC;
  setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = index;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail_errno("bind");
  return fd;
}

// One frame from the parent to the TAP; false when there is none.
bool receive(int packet, int tap, uint32_t vlan, std::vector<uint8_t>& buffer) {
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[256];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = recvmsg(packet, &message, 0);
  if (n < 0) return false;
  if (n < kVnet + ETH_HLEN) return true;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata aux;
    memcpy(&aux, CMSG_DATA(c), sizeof aux);
    // The kernel has taken the tag out of the frame; offsets in the virtio-net header are without it.
    if (!(aux.tp_status & TP_STATUS_VLAN_VALID) || (aux.tp_vlan_tci & 0xfffu) != vlan) return true;
    if (write(tap, buffer.data(), size_t(n)) < 0 && errno != EAGAIN && errno != EIO) perror("write to the tap");
    return true;
  }
  return true;
}

// One frame from the TAP to the parent; false when there is none.
bool transmit(int packet, int tap, uint32_t vlan, std::vector<uint8_t>& buffer) {
  const ssize_t n = read(tap, buffer.data(), buffer.size());
  if (n < 0) return false;
  if (n < kVnet + ETH_HLEN) return true;
  auto* header = reinterpret_cast<VnetHeader*>(buffer.data());
  if (header->flags & kNeedsCsum) header->csum_start += 4;
  if (header->hdr_len != 0) header->hdr_len += 4;
  uint8_t tag[4];
  put16(tag, ETH_P_8021Q);
  put16(tag + 2, vlan);
  iovec parts[3] = {{buffer.data(), size_t(kVnet) + 12}, {tag, 4}, {buffer.data() + kVnet + 12, size_t(n) - kVnet - 12}};
  for (int tries = 0; tries < 3; tries++) {
    if (writev(packet, parts, 3) >= 0) break;
    if (errno != EAGAIN && errno != ENOBUFS) {
      if (errno != ENETDOWN) perror("sending");
      break;
    }
    pollfd room{packet, POLLOUT, 0};
    poll(&room, 1, 5);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options(argc, argv, {"interface", "tap", "vlan"});
  const int index = interface_index(options.required("interface"));
  const uint32_t vlan = uint32_t(options.number("vlan", 1, 0, 4094));
  const int packet = open_packet(index);
  const int tap = open_tap(options.required("tap"), options.required("interface"));
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  fprintf(stderr, "ready\n");

  std::vector<uint8_t> buffer(kVnet + kMost);
  while (!stopped) {
    pollfd fds[2] = {{packet, POLLIN, 0}, {tap, POLLIN, 0}};
    poll(fds, 2, 100);
    for (int i = 0; i < 64 && receive(packet, tap, vlan, buffer); i++) {
    }
    for (int i = 0; i < 64 && transmit(packet, tap, vlan, buffer); i++) {
    }
  }
  return 0;
}
