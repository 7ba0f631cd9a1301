// Opening AF_PACKET sockets and setting their options. No JavaScript here: errors are `SystemError`s.
#pragma once

#include <cstdint>
#include <optional>

#include "util/fd.h"
#include "util/system_error.h"

namespace rxsteer {

// Ring slots of 2 KiB: an Ethernet frame of 1500 bytes, its tag and the TPACKET_V2 header (76 bytes with the
// virtio-net header) fit; whatever is longer comes whole through the socket's receive queue.
constexpr uint32_t kRingSlotBytes = 2048;
// Limits of a ring in slots: 128 KiB to 512 MiB.
constexpr uint32_t kRingSlotsMin = 64;
constexpr uint32_t kRingSlotsMax = 1u << 18;

// Frames longer than a slot wait as whole packets in the socket's receive queue, charged by their true size
// (a 64 KiB frame about 70-100 KiB). Without room there the kernel truncates silently. The kernel doubles the number.
constexpr int kReceiveBufferBytes = 128 << 20;

struct Fanout {
  // -1 = a new group, whose number the kernel chooses (Linux 4.12).
  int group;
  // PACKET_FANOUT_HASH, _LB, _CPU, _RND or _QM.
  uint16_t mode;
};

struct PacketReceiveConfig {
  int ifindex;
  // Rounded up to a power of two.
  uint32_t slots;
  std::optional<Fanout> fanout;
  bool promiscuous;
  // A socket filter, the guard of the ring (src/programs/receive-guard.ts); -1 = none.
  int guard = -1;
  // Takes in nothing before `setReceiveFilter`.
  bool shut = false;
  // SO_RCVBUF in bytes: for frames that are longer than a slot.
  int receiveBufferBytes = kReceiveBufferBytes;
};

// A bound, ready socket with a TPACKET_V2 receive ring. Throws SystemError.
UniqueFd openPacketReceive(const PacketReceiveConfig& config);

// Puts a socket filter before a packet socket, in place of any other; -1: none, everything passes. Throws SystemError.
void setReceiveFilter(int fd, int program);

// Number of the fanout group of a socket. Throws SystemError.
int fanoutGroup(int fd);

// SO_RCVBUF of a socket that is open already. As far as the kernel permits.
void setReceiveBuffer(int fd, int bytes);

// Lets nothing into the socket's ring from now on: what comes is neither received nor counted there.
bool shutReceive(int fd);

// True while the socket is bound to a device. The kernel unbinds it for good when the device is deleted or leaves its
// network namespace, also where another one with the same name and index follows at once.
bool packetAttached(int fd);

// A socket that sends on an interface and receives nothing, with PACKET_VNET_HDR. Throws SystemError.
UniqueFd openPacketSend(int ifindex, bool bypass);

}  // namespace rxsteer
