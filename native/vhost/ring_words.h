// The words of a split ring that driver and device write for each other (virtio 1.2, 2.7.6 to 2.7.10).
#pragma once

#include <cstdint>

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

}  // namespace rxsteer
