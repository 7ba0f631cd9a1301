// Copying frames that are short, which most are: without a call, and without a branch on each power of two.
#pragma once

#include <cstdint>
#include <cstring>

namespace rxsteer {

// Two blocks that overlap in the middle; both are read before one is written.
template <uint32_t kBlock>
inline void copyEnds(uint8_t* to, const uint8_t* from, uint32_t length) {
  struct Block {
    uint8_t bytes[kBlock];
  } first, last;
  std::memcpy(&first, from, kBlock);
  std::memcpy(&last, from + length - kBlock, kBlock);
  std::memcpy(to, &first, kBlock);
  std::memcpy(to + length - kBlock, &last, kBlock);
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
