#include "ports/partial_sum.h"

#include <cstring>

namespace rxsteer {

namespace {

constexpr uint32_t kEthernet = 14;
constexpr int kTagsMost = 2;
constexpr int kHeadersMost = 3;
constexpr int kExtensionsMost = 8;
constexpr uint32_t kUdpHeader = 8;
constexpr uint32_t kTcpHeader = 20;

uint32_t be16(const uint8_t* at) { return static_cast<uint32_t>(at[0]) << 8 | at[1]; }

uint32_t fold(uint64_t sum) {
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint32_t>(sum);
}

// A packet inside the frame: where it lies, and what follows its IP headers.
struct Inside {
  uint32_t at = 0;
  uint32_t type = 0;  // An ethertype.
};

struct Packet {
  uint32_t payload = 0;
  uint32_t end = 0;
  uint32_t protocol = 0;
  uint32_t addresses = 0;
  uint32_t addressBytes = 0;
};

bool readIpv4(const uint8_t* frame, uint32_t length, uint32_t at, Packet& out) {
  if (at + 20 > length || frame[at] >> 4 != 4) return false;
  const uint32_t header = (frame[at] & 15U) * 4;
  const uint32_t total = be16(frame + at + 2);
  if (header < 20 || total < header || at + total > length) return false;
  // More fragments, or an offset.
  if ((be16(frame + at + 6) & 0x3fff) != 0) return false;
  out = {at + header, at + total, frame[at + 9], at + 12, 8};
  return true;
}

bool readIpv6(const uint8_t* frame, uint32_t length, uint32_t at, Packet& out) {
  if (at + 40 > length || frame[at] >> 4 != 6) return false;
  const uint32_t end = at + 40 + be16(frame + at + 4);
  if (end > length) return false;
  uint32_t next = frame[at + 6];
  uint32_t payload = at + 40;
  for (int k = 0; k < kExtensionsMost && (next == 0 || next == 60); k++) {
    if (payload + 8 > end) return false;
    next = frame[payload];
    payload += (frame[payload + 1] + 1U) * 8;
  }
  if (payload > end) return false;
  out = {payload, end, next, at + 8, 32};
  return true;
}

// The checksum of a TCP or UDP header at the packet's payload.
PartialSum look(const uint8_t* frame, const Packet& packet) {
  const bool tcp = packet.protocol == 6;
  const uint32_t bytes = packet.end - packet.payload;
  const uint32_t offset = tcp ? 16 : 6;
  if (bytes < (tcp ? kTcpHeader : kUdpHeader)) return {};
  const uint32_t field = be16(frame + packet.payload + offset);
  if (!tcp && field == 0) return {};
  const uint64_t pseudo = uint64_t{sumBytes(frame + packet.addresses, packet.addressBytes)} + packet.protocol + bytes;
  if (field != fold(pseudo)) return {};
  if (fold(pseudo + sumBytes(frame + packet.payload, bytes)) == 0xffff) return {};
  return {true, packet.payload, offset};
}

// What a tunnel's header leads to; false where it is none that is known.
bool enter(const uint8_t* frame, const Packet& packet, Inside& to) {
  const uint32_t at = packet.payload;
  const auto inEthernet = [&](uint32_t inner) {
    if (inner + kEthernet > packet.end) return false;
    to = {inner + kEthernet, be16(frame + inner + 12)};
    return true;
  };
  switch (packet.protocol) {
    case 4: to = {at, 0x0800}; return true;
    case 41: to = {at, 0x86dd}; return true;
    case 47: {
      if (at + 4 > packet.end) return false;
      const uint32_t flags = be16(frame + at);
      // Version 0, no routing; checksum, key and sequence number take 4 bytes each.
      if ((flags & 0x4007) != 0) return false;
      const uint32_t inner = at + 4 + ((flags & 0x8000) != 0 ? 4 : 0) + ((flags & 0x2000) != 0 ? 4 : 0) + ((flags & 0x1000) != 0 ? 4 : 0);
      const uint32_t type = be16(frame + at + 2);
      if (type == 0x6558) return inEthernet(inner);
      to = {inner, type};
      return true;
    }
    case 17: {
      if (at + kUdpHeader + 8 > packet.end) return false;
      const uint32_t port = be16(frame + at + 2);
      if (port == 4789) return inEthernet(at + kUdpHeader + 8);
      if (port == 6081 && be16(frame + at + kUdpHeader + 2) == 0x6558)
        return inEthernet(at + kUdpHeader + 8 + (frame[at + kUdpHeader] & 0x3fU) * 4);
      return false;
    }
    default: return false;
  }
}

}  // namespace

uint32_t sumBytes(const uint8_t* from, uint32_t length) {
  uint64_t sum = 0;
  // Words in the machine's order, swapped at the end (RFC 1071, 2).
  for (; length >= 8; from += 8, length -= 8) {
    uint64_t words;
    std::memcpy(&words, from, sizeof words);
    sum += words & 0xffffffff;
    sum += words >> 32;
  }
  for (; length >= 2; from += 2, length -= 2) {
    uint16_t word;
    std::memcpy(&word, from, sizeof word);
    sum += word;
  }
  if (length != 0) sum += from[0];
  const uint32_t folded = fold(sum);
  return (folded & 0xff) << 8 | folded >> 8;
}

PartialSum findPartial(const uint8_t* frame, uint32_t length) {
  if (length < kEthernet + 20) return {};
  uint32_t at = kEthernet;
  uint32_t type = be16(frame + 12);
  for (int tag = 0; tag < kTagsMost && (type == 0x8100 || type == 0x88a8); tag++, at += 4) {
    if (at + 4 > length) return {};
    type = be16(frame + at + 2);
  }
  Inside inside{at, type};
  for (int header = 0; header < kHeadersMost; header++) {
    Packet packet;
    const bool is = inside.type == 0x0800   ? readIpv4(frame, length, inside.at, packet)
                    : inside.type == 0x86dd ? readIpv6(frame, length, inside.at, packet)
                                            : false;
    if (!is) return {};
    if (packet.protocol == 6 || packet.protocol == 17) {
      const PartialSum found = look(frame, packet);
      if (found.found) return found;
    }
    if (!enter(frame, packet, inside)) return {};
  }
  return {};
}

bool completePartial(uint8_t* frame, uint32_t length, uint32_t start, uint32_t offset) {
  if (start + offset + 2 > length || start >= length) return false;
  uint32_t sum = ~sumBytes(frame + start, length - start) & 0xffff;
  // None, to UDP; for all others the same number.
  if (sum == 0) sum = 0xffff;
  frame[start + offset] = static_cast<uint8_t>(sum >> 8);
  frame[start + offset + 1] = static_cast<uint8_t>(sum);
  return true;
}

}  // namespace rxsteer
