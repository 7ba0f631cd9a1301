// Which super-frames a device may get as they are.
//
// Promise: pure functions of a frame with its virtio-net header, which never read beyond the frame; one question to the
// kernel about a device (`deviceSegmentation`), which throws nothing.
#pragma once

#include <cstdint>

namespace rxsteer {

// Kinds of super-frames as bits.
namespace Segmentation {
constexpr uint32_t tcp4 = 1;
constexpr uint32_t tcp4Ecn = 2;
constexpr uint32_t tcp6 = 4;
constexpr uint32_t udp = 8;
}  // namespace Segmentation

// The frame's outermost packet is TCP.
bool isTcp(const uint8_t* frame, uint32_t length);

// The bits of a message (virtio-net header, frame); 0 for types that nobody segments.
uint32_t segmentationOf(const uint8_t* message);

// True where the virtio-net header speaks of the outermost transport header. Of a super-frame in a tunnel (VXLAN,
// Geneve, GRE, IP in IP) it speaks of the inner one and does not tell of the tunnel, so neither a device nor the kernel
// could segment it rightly. `length` is the frame's.
bool describesOutermost(const uint8_t* message, uint32_t length);

// What the device segments itself, `Segmentation` bits (ETHTOOL_GFEATURES); everything where it cannot be asked.
uint32_t deviceSegmentation(int ifindex);

}  // namespace rxsteer
