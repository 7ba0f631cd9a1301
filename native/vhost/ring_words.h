// The words of a split ring that driver and device write for each other (virtio 1.2, 2.7.6 to 2.7.10).
#pragma once

#include <cstdint>
#include <cstring>

namespace rxsteer {

// avail->flags, used->flags.
constexpr uint16_t kNoInterrupt = 1;
constexpr uint16_t kNoNotify = 1;

inline uint16_t load16(const uint8_t* at, int order) {
  return __atomic_load_n(reinterpret_cast<const uint16_t*>(at), order);
}

inline void store16(uint8_t* at, uint16_t value, int order) {
  __atomic_store_n(reinterpret_cast<uint16_t*>(at), value, order);
}

// An entry of a used ring.
inline void storeUsed(uint8_t* at, uint16_t head, uint32_t written) {
  const uint32_t entry[2] = {head, written};
  std::memcpy(at, entry, sizeof entry);
}

// desc->flags.
constexpr uint16_t kDescNext = 1;
constexpr uint16_t kDescWrite = 2;
constexpr uint16_t kDescIndirect = 4;
constexpr uint64_t kDescBytes = 16;

struct Descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t flags;
  uint16_t next;
};

// Read once: the guest may write another one meanwhile.
inline Descriptor readDescriptor(const uint8_t* at) {
  const auto* words = reinterpret_cast<const volatile uint64_t*>(at);
  const uint64_t address = words[0];
  const uint64_t rest = words[1];
  return {address, static_cast<uint32_t>(rest), static_cast<uint16_t>(rest >> 32), static_cast<uint16_t>(rest >> 48)};
}

}  // namespace rxsteer
