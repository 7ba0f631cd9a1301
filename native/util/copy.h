// Copying frames that are short, which most are: without a call, and without a branch on each power of two.
#pragma once

#include <cstdint>
#include <cstring>

namespace rxsteer {

// Two blocks that overlap in the middle; both are read before one is written. Vectors, not arrays: these stay in registers.
template <uint32_t kBlock>
inline void copyEnds(uint8_t* to, const uint8_t* from, uint32_t length) {
  using Part = uint8_t __attribute__((vector_size(16)));
  constexpr uint32_t kParts = kBlock / sizeof(Part);
  Part first[kParts], last[kParts];
#pragma GCC unroll 4
  for (uint32_t k = 0; k < kParts; k++) {
    std::memcpy(&first[k], from + k * sizeof(Part), sizeof(Part));
    std::memcpy(&last[k], from + length - kBlock + k * sizeof(Part), sizeof(Part));
  }
#pragma GCC unroll 4
  for (uint32_t k = 0; k < kParts; k++) {
    std::memcpy(to + k * sizeof(Part), &first[k], sizeof(Part));
    std::memcpy(to + length - kBlock + k * sizeof(Part), &last[k], sizeof(Part));
  }
}

// As memcpy: no byte but those is read or written.
inline void copyFrame(uint8_t* to, const uint8_t* from, uint32_t length) {
  if (length - 32 <= 32) return copyEnds<32>(to, from, length);
  if (length - 64 <= 64) return copyEnds<64>(to, from, length);
  std::memcpy(to, from, length);
}

// The line that an address is in will be written, or read. Any address will do.
inline void prefetchToWrite(const void* at) {
#if defined(__x86_64__)
  // `__builtin_prefetch` gives the one for reading, as long as the oldest processors are to run it; they ignore this one.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));
#else
  __builtin_prefetch(at, 1);
#endif
}
inline void prefetchToRead(const void* at) { __builtin_prefetch(at, 0); }

}  // namespace rxsteer
