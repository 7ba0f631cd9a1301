// The virtio-net header that precedes a frame (virtio 1.2, 5.1.6, without num_buffers: 10 bytes, native endian as
// AF_PACKET and tun use it by default).
#pragma once

#include <cstdint>
#include <cstring>

namespace rxsteer {

// Mirror `FrameFlag` in TypeScript.
constexpr int32_t kFlagVnet = 1;
constexpr int32_t kFlagGso = 2;
constexpr int32_t kFlagNeedsCsum = 4;

constexpr uint32_t kVnetBytes = 10;
constexpr uint8_t kVnetNeedsCsum = 1;
// Values of `gsoType`; the last is a bit beside the TCP types.
constexpr uint8_t kGsoTcp4 = 1;
constexpr uint8_t kGsoUdp = 3;
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

// Segments that a super-frame may be cut into, its headers counted as if they were payload. 64 KiB at the least MSS that
// stacks send in earnest (536; 500 with options on a path of 552 bytes) are 131, at an MSS of 256 bytes 256; what GRO
// merges of tiny segments is short (64 frames of a poll). A segment costs what a frame costs, wherever it is cut: in
// software, or by the kernel inside `sendmmsg` for a device without TSO.
constexpr uint32_t kSegmentsMost = 256;

enum class VnetVerdict {
  fine,
  // A partial checksum outside the frame: nothing could send or complete it.
  impossible,
  // A type that nobody sends any more (UFO) or knows, no segment size, or too many segments.
  absurd,
};

inline VnetVerdict judgeVnet(const VnetHeader& header, uint32_t frameBytes) {
  if ((header.flags & kVnetNeedsCsum) != 0 && uint32_t{header.csumStart} + header.csumOffset + 2 > frameBytes)
    return VnetVerdict::impossible;
  if (header.gsoType == 0) return VnetVerdict::fine;
  const int type = header.gsoType & ~kGsoEcn;
  if (type != kGsoTcp4 && type != kGsoTcp6 && type != kGsoUdpL4) return VnetVerdict::absurd;
  const bool many = header.gsoSize == 0 || frameBytes > kSegmentsMost * header.gsoSize;
  return many ? VnetVerdict::absurd : VnetVerdict::fine;
}

// Segments beyond one of a frame whose header is fine; at most `kSegmentsMost`.
inline uint32_t furtherSegments(const VnetHeader& header, uint32_t frameBytes) {
  return header.gsoType == 0 ? 0 : frameBytes / header.gsoSize;
}

// Shifts the offsets behind a tag of 4 bytes that was re-inserted after the MAC addresses.
inline void vnetShiftForTag(VnetHeader& header) {
  if (header.flags & kVnetNeedsCsum) header.csumStart += 4;
  if (header.hdrLen != 0) header.hdrLen += 4;
}

}  // namespace rxsteer
