// Partial checksums of frames that come without word of them, as AF_XDP gives frames of a peer that leaves checksums to its
// device: the field holds the sum of the pseudo header only.
//
// Promise: `findPartial` finds a TCP or UDP checksum that is one, in the outermost IP header or behind up to two further ones
// (IP in IP, GRE, VXLAN, Geneve); nothing outside the frame is read. A complete checksum has the value of a partial one
// once in 65,536 frames: it is told apart because it verifies. Not looked for: fragments (the kernel finishes those itself),
// UDP without a checksum, a routing header. Any thread, no allocation. Source: net/core/dev.c skb_checksum_help,
// RFC 768, 9293, 8200.
#pragma once

#include <cstdint>

namespace rxsteer {

struct PartialSum {
  bool found = false;
  // As in a virtio-net header: where the sum begins, and the field behind that.
  uint32_t start = 0;
  uint32_t offset = 0;
};

PartialSum findPartial(const uint8_t* frame, uint32_t length);

// The ones' complement sum of bytes, not folded to its end; `from` at an even offset of the whole.
uint32_t sumBytes(const uint8_t* from, uint32_t length);

// Completes a partial checksum in place; false where its place is outside the frame.
bool completePartial(uint8_t* frame, uint32_t length, uint32_t start, uint32_t offset);

}  // namespace rxsteer
