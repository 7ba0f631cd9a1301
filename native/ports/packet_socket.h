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

struct Fanout {
  uint16_t group;
  // PACKET_FANOUT_HASH, _LB, _CPU, _RND or _QM.
  uint16_t mode;
};

struct PacketReceiveConfig {
  int ifindex;
  // Rounded up to a power of two.
  uint32_t slots;
  std::optional<Fanout> fanout;
  bool promiscuous;
};

// A bound, ready socket with a TPACKET_V2 receive ring. Throws SystemError.
UniqueFd openPacketReceive(const PacketReceiveConfig& config);

// Replaces the ring of such a socket, which must not be mapped, by an empty one of as many slots. Frames that arrive
// meanwhile are lost, and in a fanout group the socket becomes the last member, so that flows move. False (errno)
// where the kernel refuses.
bool resetReceiveRing(int fd, uint32_t slots);

// True while the socket is bound to a device. The kernel unbinds it for good when the device is deleted or leaves its
// network namespace, also where another one with the same name and index follows at once.
bool packetAttached(int fd);

// A socket that sends on an interface and receives nothing, with PACKET_VNET_HDR. Throws SystemError.
UniqueFd openPacketSend(int ifindex, bool bypass);

}  // namespace rxsteer
