#include "ports/packet_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
// After the kernel's headers: both define struct ifreq's neighbours.
#include <net/if.h>

#include <algorithm>
#include <bit>
#include <cstring>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif
#ifndef PACKET_FANOUT_FLAG_UNIQUEID
#define PACKET_FANOUT_FLAG_UNIQUEID 0x2000
#endif
#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING
#define PACKET_FANOUT_FLAG_IGNORE_OUTGOING 0x4000
#endif

namespace rxsteer {

namespace {

// Frames in flight between us and the receiver behind the device (its backlog, its qdisc).
constexpr int kSendBufferBytes = 32 << 20;

void set(int fd, int level, int option, const void* value, socklen_t size, const char* what) {
  check(::setsockopt(fd, level, option, value, size), what);
}

void set(int fd, int option, int value, const char* what) {
  set(fd, SOL_PACKET, option, &value, sizeof value, what);
}

// Beyond net.core.[rw]mem_max with CAP_NET_ADMIN, else as far as that allows.
void growBuffer(int fd, int force, int plain, int value) {
  if (::setsockopt(fd, SOL_SOCKET, force, &value, sizeof value) == 0) return;
  ::setsockopt(fd, SOL_SOCKET, plain, &value, sizeof value);
}

UniqueFd packetSocket() {
  // Protocol 0: nothing arrives before bind names one.
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    throw SystemError{errno, "socket(AF_PACKET)", errno == EPERM ? "packet sockets need CAP_NET_RAW" : ""};
  return UniqueFd(fd);
}

// Frames must begin with an Ethernet header.
void checkEthernet(int fd, int ifindex) {
  ifreq request{};
  request.ifr_ifindex = ifindex;
  check(::ioctl(fd, SIOCGIFNAME, &request), "no interface has this index");
  check(::ioctl(fd, SIOCGIFHWADDR, &request), "SIOCGIFHWADDR");
  const int type = request.ifr_hwaddr.sa_family;
  if (type != ARPHRD_ETHER && type != ARPHRD_LOOPBACK)
    throw SystemError{EPROTONOSUPPORT, std::string("interface ") + request.ifr_name, "not an Ethernet interface"};
}

sockaddr_ll address(int ifindex, uint16_t protocol) {
  sockaddr_ll result{};
  result.sll_family = AF_PACKET;
  result.sll_ifindex = ifindex;
  result.sll_protocol = htons(protocol);
  return result;
}

tpacket_req geometry(uint32_t slots) {
  tpacket_req ring{};
  // Blocks are contiguous in the kernel: small ones are there even when memory is fragmented.
  ring.tp_block_size = std::min<uint32_t>(slots * kRingSlotBytes, 64 << 10);
  ring.tp_frame_size = kRingSlotBytes;
  ring.tp_frame_nr = slots;
  ring.tp_block_nr = slots * kRingSlotBytes / ring.tp_block_size;
  return ring;
}

}  // namespace

void setReceiveBuffer(int fd, int bytes) { growBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, bytes); }

bool shutReceive(int fd) {
  sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  sock_fprog program{1, nothing};
  return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

void setReceiveFilter(int fd, int program) {
  if (program >= 0)
    set(fd, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof program, "SO_ATTACH_BPF");
  else
    set(fd, SOL_SOCKET, SO_DETACH_FILTER, &program, sizeof program, "SO_DETACH_FILTER");
}

UniqueFd openPacketReceive(const PacketReceiveConfig& config) {
  UniqueFd socket = packetSocket();
  const int fd = socket.get();
  checkEthernet(fd, config.ifindex);

  // Version and virtio-net header fix the slots' layout: the kernel takes them only before there is a ring.
  set(fd, PACKET_VERSION, TPACKET_V2, "PACKET_VERSION");
  set(fd, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR");
  // Any value but 0: frames that exceed a slot are queued whole as well (TP_STATUS_COPY).
  set(fd, PACKET_COPY_THRESH, 1, "PACKET_COPY_THRESH");
  setReceiveBuffer(fd, config.receiveBufferBytes);

  const uint32_t slots = std::bit_ceil(std::clamp(config.slots, kRingSlotsMin, kRingSlotsMax));
  const tpacket_req ring = geometry(slots);
  set(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring, "PACKET_RX_RING");

  // Not in a fanout group: the group has its own hook and its own flag for the same.
  set(fd, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");

  // A filter that takes nothing: between bind and joining the group a socket would see every frame, and those of
  // the other members would be received twice.
  if (config.fanout || config.shut) {
    if (!shutReceive(fd)) throw SystemError{errno, "SO_ATTACH_FILTER", ""};
  } else if (config.guard >= 0) {
    setReceiveFilter(fd, config.guard);
  }
  const sockaddr_ll to = address(config.ifindex, ETH_P_ALL);
  check(::bind(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), "bind to the interface");
  if (config.fanout) {
    // No rollover: a full member drops (and counts) rather than break the order of its flows. The first member lets the
    // kernel choose a number that no group of this network namespace has, of whatever process.
    const bool first = config.fanout->group < 0;
    const int flags = PACKET_FANOUT_FLAG_IGNORE_OUTGOING | (first ? PACKET_FANOUT_FLAG_UNIQUEID : 0);
    set(fd, PACKET_FANOUT, (first ? 0 : config.fanout->group & 0xffff) | ((config.fanout->mode | flags) << 16),
        "PACKET_FANOUT");
    if (!config.shut) setReceiveFilter(fd, config.guard);
  }
  if (config.promiscuous) {
    packet_mreq membership{};
    membership.mr_ifindex = config.ifindex;
    membership.mr_type = PACKET_MR_PROMISC;
    set(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership, "PACKET_ADD_MEMBERSHIP");
  }
  return socket;
}

int fanoutGroup(int fd) {
  int value = 0;
  socklen_t size = sizeof value;
  check(::getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, &size), "PACKET_FANOUT");
  return value & 0xffff;
}

bool packetAttached(int fd) {
  sockaddr_ll bound{};
  socklen_t size = sizeof bound;
  return ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) == 0 && bound.sll_ifindex > 0;
}

UniqueFd openPacketSend(int ifindex, bool bypass) {
  UniqueFd socket = packetSocket();
  const int fd = socket.get();
  checkEthernet(fd, ifindex);
  set(fd, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR");
  if (bypass) set(fd, PACKET_QDISC_BYPASS, 1, "PACKET_QDISC_BYPASS");
  growBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, kSendBufferBytes);
  const sockaddr_ll to = address(ifindex, 0);
  check(::bind(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), "bind to the interface");
  return socket;
}

}  // namespace rxsteer
