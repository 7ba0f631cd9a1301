// The virtio-net header that precedes a frame (virtio 1.2, 5.1.6, without num_buffers: 10 bytes, native endian as
// AF_PACKET and tun use it by default).
#pragma once

#include <cstdint>
#include <cstring>

#include "ports/frames.h"

namespace rxsteer {

constexpr uint32_t kVnetBytes = 10;
constexpr uint8_t kVnetNeedsCsum = 1;
// Values of `gsoType`; the last is a bit beside the TCP types.
constexpr uint8_t kGsoTcp4 = 1;
constexpr uint8_t kGsoTcp6 = 4;
constexpr uint8_t kGsoUdpL4 = 5;
constexpr uint8_t kGsoEcn = 0x80;

struct VnetHeader {
  uint8_t flags;
  uint8_t gsoType;
  uint16_t hdrLen;
  uint16_t gsoSize;
  uint16_t csumStart;
  uint16_t csumOffset;
};
static_assert(sizeof(VnetHeader) == kVnetBytes);

inline VnetHeader readVnet(const uint8_t* message) {
  VnetHeader header;
  std::memcpy(&header, message, sizeof header);
  return header;
}

// FrameFlag bits of a header. DATA_VALID alone says only that somebody checked the checksum: a plain frame.
inline int32_t vnetFlags(const VnetHeader& header) {
  int32_t flags = 0;
  if (header.flags & kVnetNeedsCsum) flags |= kFlagVnet | kFlagNeedsCsum;
  if (header.gsoType != 0) flags |= kFlagVnet | kFlagGso;
  return flags;
}

// False for a header whose partial checksum lies outside the frame: nothing could send or complete it.
inline bool vnetPlausible(const VnetHeader& header, uint32_t frameBytes) {
  if ((header.flags & kVnetNeedsCsum) == 0) return true;
  return uint32_t{header.csumStart} + header.csumOffset + 2 <= frameBytes;
}

// Shifts the offsets behind a tag of 4 bytes that was re-inserted after the MAC addresses.
inline void vnetShiftForTag(VnetHeader& header) {
  if (header.flags & kVnetNeedsCsum) header.csumStart += 4;
  if (header.hdrLen != 0) header.hdrLen += 4;
}

}  // namespace rxsteer
