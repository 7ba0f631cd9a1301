// The input of a fuzzer as the parsers get it: in memory of exactly its length, so that AddressSanitizer sees a read of the
// first byte behind it.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace rxsteer {

using Exact = std::unique_ptr<uint8_t[]>;

inline Exact exact(const uint8_t* data, size_t size) {
  Exact copy(new uint8_t[size]);
  if (size > 0) std::memcpy(copy.get(), data, size);
  return copy;
}

// What must hold whatever the input is.
inline void must(bool holds) {
  if (!holds) std::abort();
}

}  // namespace rxsteer
