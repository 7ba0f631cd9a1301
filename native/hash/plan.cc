#include "hash/plan.h"

namespace rxsteer {

uint32_t keyWindow(const uint8_t* key, size_t keyBytes, size_t bit) {
  const size_t at = bit / 8;
  uint64_t five = 0;
  for (size_t i = 0; i < 5; i++) five = five << 8 | (at + i < keyBytes ? key[at + i] : 0);
  return static_cast<uint32_t>(five >> (8 - bit % 8));
}

uint64_t reversedWindow(const uint8_t* key, size_t keyBytes, size_t at) {
  uint64_t window = 0;
  for (size_t m = 0; m < 63; m++) {
    const size_t byte = at + m / 8;
    if (byte < keyBytes && (key[byte] >> (7 - m % 8) & 1) != 0) window |= uint64_t{1} << (m + 1);
  }
  return window;
}

const std::vector<const Kernel*>& kernels() {
  static const std::vector<const Kernel*> list = [] {
    std::vector<const Kernel*> found;
    for (const Kernel* kernel : {kVpclmul512Kernel, kVpclmul256Kernel, kPclmulKernel, kPmullKernel, &kTableKernel})
      if (kernel != nullptr && kernel->available()) found.push_back(kernel);
    return found;
  }();
  return list;
}

const Kernel* findKernel(const std::string& name) {
  for (const Kernel* kernel : kernels())
    if (name == kernel->name) return kernel;
  return nullptr;
}

Plan makePlan(const uint8_t* key, size_t keyBytes, const Kernel& kernel) {
  Plan plan;
  plan.kernel = &kernel;
  plan.ipv6 = keyBytes >= kV6Bytes + 4;
  for (size_t word = 0; word < kWordsMax; word++) plan.windows[word] = reversedWindow(key, keyBytes, 4 * word);
  if (&kernel == &kTableKernel) {
    plan.table.resize(256 * kV6Bytes);
    for (size_t position = 0; position < kV6Bytes; position++) {
      uint32_t* entries = &plan.table[256 * position];
      for (uint32_t bit = 0; bit < 8; bit++) {
        const uint32_t window = keyWindow(key, keyBytes, position * 8 + 7 - bit);
        // Doubling: the entries with this bit are those without it, XOR its window.
        for (uint32_t value = 0; value < 1u << bit; value++) entries[(1u << bit) + value] = entries[value] ^ window;
      }
    }
  }
  return plan;
}

uint32_t hashBytes(const uint8_t* key, size_t keyBytes, const uint8_t* input, size_t length, uint32_t start) {
  const Kernel& kernel = *kernels().front();
  // 32 bytes at a time as the addresses of an IPv6 tuple without ports: the hash is linear, so the parts add up.
  // What the last part lacks is zero, and adds nothing.
  static constexpr uint8_t kNoPorts[4] = {};
  constexpr size_t kPart = kV6Bytes - 4;
  for (size_t at = 0; at < length; at += kPart) {
    Plan plan = makePlan(key + at, keyBytes - at, kernel);
    plan.start = start;
    uint8_t part[kPart] = {};
    for (size_t i = 0; i < kPart && at + i < length; i++) part[i] = input[at + i];
    const uint8_t* addresses[kGroup];
    const uint8_t* ports[kGroup];
    for (uint32_t k = 0; k < kGroup; k++) {
      addresses[k] = part;
      ports[k] = kNoPorts;
    }
    uint32_t out[kGroup];
    plan.v6()(plan, addresses, ports, kGroup, out);
    start = out[0];
  }
  return start;
}

}  // namespace rxsteer
