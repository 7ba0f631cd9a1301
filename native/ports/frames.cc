#include "ports/frames.h"

#include <algorithm>
#include <string>

#include "ports/vnet.h"

namespace rxsteer {

namespace {

Span<int32_t> keepInt32s(std::vector<Napi::ObjectReference>& keep, Napi::Object from, const char* name) {
  Napi::Value value = from.Get(name);
  Span<int32_t> span = int32s(value, name);
  keep.push_back(Napi::Persistent(value.As<Napi::Object>()));
  return span;
}

Span<uint8_t> keepBytes(std::vector<Napi::ObjectReference>& keep, Napi::Value value, const char* name) {
  Span<uint8_t> span = bytes(value, name);
  keep.push_back(Napi::Persistent(value.As<Napi::Object>()));
  return span;
}

}  // namespace

void FramePool::bind(Napi::Object pool) {
  Napi::Env env = pool.Env();
  const Span<uint8_t> memory = keepBytes(keep_, pool.Get("bytes"), "bytes");
  const auto size = [&](const char* name) { return static_cast<uint32_t>(intValue(pool.Get(name), name)); };
  const Slots slots{memory.data, size("smallSlots"), size("smallBytes"), size("largeBytes"), size("headroom")};
  const uint32_t largeSlots = size("largeSlots");
  // The smallest frame with a re-inserted tag (18 bytes) must fit: the receive paths rely on it.
  if (slots.headroom < kVnetBytes) throw invalid(env, "headroom must be at least 10");
  if (slots.smallBytes < slots.headroom + 64 || slots.largeBytes < slots.smallBytes)
    throw invalid(env, "slots must hold the headroom and 64 bytes, large ones no less than small ones");
  const uint64_t needed = uint64_t{slots.smallSlots} * slots.smallBytes + uint64_t{largeSlots} * slots.largeBytes;
  if (needed > memory.length || needed > INT32_MAX)
    throw invalid(env, "the pool's slots need " + std::to_string(needed) + " bytes, bytes has " +
                           std::to_string(memory.length));
  const auto list = [&](const char* name) {
    const Span<int32_t> words = keepInt32s(keep_, pool, name);
    if (words.length == 0) throw invalid(env, std::string(name) + " must have a word for the count");
    return FreeList{words.data};
  };
  lay(slots, list("freeSmall"), list("freeLarge"));
}

void ReceiveArrays::bind(Napi::Object arrays) {
  const Span<int32_t> id = keepInt32s(keep_, arrays, "id");
  const Span<int32_t> off = keepInt32s(keep_, arrays, "off");
  const Span<int32_t> len = keepInt32s(keep_, arrays, "len");
  const Span<int32_t> flags = keepInt32s(keep_, arrays, "flags");
  const Span<int32_t> words = keepInt32s(keep_, arrays, "status");
  if (words.length < kStatusWords) throw invalid(arrays.Env(), "status must have 7 words");
  lay(id.data, off.data, len.data, flags.data, words.data,
      static_cast<int32_t>(std::min({id.length, off.length, len.length, flags.length})));
}

void SendArrays::bind(Napi::Value pool, Napi::Object arrays) {
  const Span<uint8_t> memory = keepBytes(keep_, pool, "pool");
  const Span<int32_t> off = keepInt32s(keep_, arrays, "off");
  const Span<int32_t> len = keepInt32s(keep_, arrays, "len");
  const Span<int32_t> flags = keepInt32s(keep_, arrays, "flags");
  const Span<uint8_t> results = keepBytes(keep_, arrays.Get("result"), "result");
  lay(memory.data, memory.length, off.data, len.data, flags.data, results.data,
      static_cast<int32_t>(std::min({off.length, len.length, flags.length, results.length})));
}

}  // namespace rxsteer
