// What a Toeplitz kernel works from: one key, prepared for every implementation, and the kernels that there are.
//
// A carry-less product is a convolution and Toeplitz a correlation, so one of the two factors is bit-reversed: here
// the key. With an input word x (32 bits, most significant bit first, as read in network order) and the polynomial
// K = sum over m = 0 … 62 of keybit(m) z^(m+1), the coefficient of z^(32+j) in x * K is the sum of inputbit(i) times
// keybit(i+j): bit j of the hash. All words of the input, each with its own 63 key bits, add up before bits 32 … 63
// are taken and reversed once.
//
// Promise: immutable once made; any thread may hash with it. Every kernel gives the same values, to the bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rxsteer {

// Numbers of `SYMMETRIC` in src/hash/tuple-hash.ts.
enum class Symmetric : uint8_t { none = 0, exclusiveOr = 1, orExclusiveOr = 2, sort = 3 };
constexpr int kSymmetricCount = 4;

constexpr size_t kV4Bytes = 12;
constexpr size_t kV6Bytes = 36;
constexpr size_t kWordsMax = kV6Bytes / 4;
// Kernels work on this many tuples at a time: lists of pointers are padded to a multiple of it.
constexpr uint32_t kGroup = 16;

struct Plan;
struct BurstView;

// Hashes `count` tuples (a multiple of kGroup): `addresses[k]` points to 8 (IPv4) or 32 (IPv6) bytes, source first,
// `ports[k]` to 4 bytes. Reads nothing but those bytes. The hashes are not halved yet.
using TupleKernel = void (*)(const Plan& plan, const uint8_t* const* addresses, const uint8_t* const* ports,
                             uint32_t count, uint32_t* out);
// The same for `count` (a multiple of kGroup) IPv4 tuples of 12 bytes that lie one behind the other.
using PackedKernel = void (*)(const Plan& plan, const uint8_t* tuples, uint32_t count, uint32_t* out);
// A whole burst, as `hashBurst` (burst_hash.h) does it, where its type table is by selection.
using BurstKernel = void (*)(const Plan& plan, const BurstView& burst);

// One implementation; its functions by `Symmetric`.
struct Kernel {
  const char* name;
  bool (*available)();
  TupleKernel v4[kSymmetricCount];
  TupleKernel v6[kSymmetricCount];
  // Null where gathering by pointers is as good.
  PackedKernel packed[kSymmetricCount];
  // Null where the steps of `hashBurst` are as good.
  BurstKernel burst[kSymmetricCount] = {};
};

struct Plan {
  // The polynomial of each input word.
  alignas(16) uint64_t windows[kWordsMax + 1] = {};
  uint32_t start = 0;
  Symmetric symmetric = Symmetric::none;
  // The low 16 bits of the hash in both halves.
  bool halved = false;
  // The key covers IPv6 tuples.
  bool ipv6 = false;
  const Kernel* kernel = nullptr;
  // 256 words for each input byte; only where the kernel is `table`.
  std::vector<uint32_t> table;

  TupleKernel v4() const { return kernel->v4[static_cast<size_t>(symmetric)]; }
  TupleKernel v6() const { return kernel->v6[static_cast<size_t>(symmetric)]; }
  PackedKernel packed() const { return kernel->packed[static_cast<size_t>(symmetric)]; }
  BurstKernel burst() const { return kernel->burst[static_cast<size_t>(symmetric)]; }
  uint32_t finish(uint32_t hash) const { return halved ? (hash & 0xffff) * 0x10001u : hash; }
};

// Bits `bit` … `bit`+31 of the key, which reads as 0 beyond its end.
uint32_t keyWindow(const uint8_t* key, size_t keyBytes, size_t bit);

// The polynomial of the input word at byte `at`.
uint64_t reversedWindow(const uint8_t* key, size_t keyBytes, size_t at);

// Kernels of this build that the processor can run, the fastest first; the last one is `table`.
const std::vector<const Kernel*>& kernels();
// By name; null where it is unknown or not available.
const Kernel* findKernel(const std::string& name);

// `key` covers 12 bytes at least.
Plan makePlan(const uint8_t* key, size_t keyBytes, const Kernel& kernel);

// The hash of any number of bytes; the caller has checked that the key covers them.
uint32_t hashBytes(const uint8_t* key, size_t keyBytes, const uint8_t* input, size_t length, uint32_t start);

// The implementations; null where the build is for another processor.
extern const Kernel kTableKernel;
extern const Kernel* const kPmullKernel;
extern const Kernel* const kPclmulKernel;
extern const Kernel* const kVpclmul256Kernel;
extern const Kernel* const kVpclmul512Kernel;

}  // namespace rxsteer
