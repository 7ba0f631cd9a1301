// The kernel's own types (BTF).
//
// Promise: nothing outside the bytes is read, and every walk ends.
#include "fuzz/exact.h"
#include "util/btf.h"

using namespace rxsteer;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A vector of exactly this size.
  const auto types = KernelTypes::parse(std::vector<uint8_t>(data, data + size));
  if (!types) return 0;
  for (const char* name : {"sk_buff", "skb_shared_info", "a", ""}) {
    for (const char* member : {"head", "end", "b", ""}) types->memberOffset(name, member);
    types->enumerator(name);
  }
  return 0;
}
