#include "hash/bindings.h"

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "hash/burst_hash.h"
#include "hash/plan.h"
#include "util/args.h"
#include "util/bound.h"

namespace rxsteer {

namespace {

using Info = Napi::CallbackInfo;

// What a bound function works on. The typed arrays are kept alive as long as the function is.
struct Bound {
  Plan plan;
  BurstTypes types;
  BurstView burst{};
  const uint8_t* tuples = nullptr;
  size_t tuplesBytes = 0;
  size_t width = 0;
  int32_t* out = nullptr;
  size_t outWords = 0;
  std::vector<Napi::ObjectReference> keep;
};

Plan planOf(const Info& info) {
  Napi::Env env = info.Env();
  const Napi::Object options = objectArgument(info, 0, "options");
  const Span<uint8_t> key = bytes(options.Get("key"), "key");
  if (key.length < kV4Bytes + 4) throw invalid(env, "key must have 16 bytes at least");
  const std::string name = stringValue(options.Get("kernel"), "kernel");
  const Kernel* kernel = findKernel(name);
  if (kernel == nullptr) throw invalid(env, "kernel \"" + name + "\" is not available on this processor");
  const int32_t symmetric = intValue(options.Get("symmetric"), "symmetric");
  if (symmetric < 0 || symmetric >= kSymmetricCount) throw invalid(env, "symmetric must be 0 to 3");
  Plan plan = makePlan(key.data, key.length, *kernel);
  plan.symmetric = static_cast<Symmetric>(symmetric);
  plan.start = static_cast<uint32_t>(intValue(options.Get("start"), "start"));
  plan.halved = options.Get("isHalved").ToBoolean();
  return plan;
}

template <typename T>
Span<T> keepArray(Bound& bound, const Info& info, size_t index, const char* name, size_t least) {
  Span<T> span;
  if constexpr (std::is_same_v<T, int32_t>)
    span = int32s(info[index], name);
  else
    span = bytes(info[index], name);
  if (span.length < least)
    throw invalid(info.Env(), std::string(name) + " must have " + std::to_string(least) + " entries at least");
  bound.keep.push_back(Napi::Persistent(info[index].As<Napi::Object>()));
  return span;
}

void runBurst(Bound& bound) { hashBurst(bound.plan, bound.burst); }

// Options, Burst.words, pool, control words.
Napi::Value bindBurstHash(const Info& info) {
  auto bound = std::make_unique<Bound>();
  bound->plan = planOf(info);
  const Span<uint8_t> select = bytes(info[0].As<Napi::Object>().Get("select"), "select");
  if (select.length < kSelectEntries) throw invalid(info.Env(), "select must have 65536 entries");
  if (!bound->plan.ipv6)
    for (size_t kind = 0; kind < kSelectEntries; kind++)
      if ((select.data[kind] > kTypeUdpIpv4 && select.data[kind] <= kTypeUdpIpv6Ex) ||
          select.data[kind] == kTypeFragIpv6)
        throw invalid(info.Env(), "key must have 40 bytes at least for types of IPv6");
  bound->types = makeTypes(select.data);
  bound->burst.types = &bound->types;
  bound->burst.words = keepArray<int32_t>(*bound, info, 1, "words", kBurstWords).data;
  const Span<uint8_t> pool = keepArray<uint8_t>(*bound, info, 2, "bytes", 0);
  bound->burst.pool = pool.data;
  bound->burst.poolBytes = pool.length;
  bound->burst.control = keepArray<int32_t>(*bound, info, 3, "control", kControlWords).data;
  const Napi::Value targets = info[0].As<Napi::Object>().Get("targets");
  if (!targets.IsUndefined()) {
    const Span<int32_t> words = int32s(targets, "targets");
    if (words.length == 0 || (words.length & (words.length - 1)) != 0)
      throw invalid(info.Env(), "targets must have a power of two of entries");
    bound->burst.targets = words.data;
    bound->burst.targetMask = static_cast<uint32_t>(words.length - 1);
    bound->keep.push_back(Napi::Persistent(targets.As<Napi::Object>()));
  }
  return bindFunction<Bound, runBurst>(info.Env(), "hash", std::move(bound));
}

// Control words: first tuple, number of tuples.
void runPacked(Bound& bound) {
  const int64_t first = bound.burst.control[0];
  const int64_t count = bound.burst.control[1];
  if (first < 0 || count < 0 || count > static_cast<int64_t>(bound.outWords)) return;
  if ((first + count) * static_cast<int64_t>(bound.width) > static_cast<int64_t>(bound.tuplesBytes)) return;
  hashPacked(bound.plan, bound.tuples + static_cast<size_t>(first) * bound.width, bound.width,
             static_cast<uint32_t>(count), bound.out);
}

// Options, tuples, bytes of a tuple, results, control words.
Napi::Value bindPackedHash(const Info& info) {
  auto bound = std::make_unique<Bound>();
  bound->plan = planOf(info);
  const Span<uint8_t> tuples = keepArray<uint8_t>(*bound, info, 1, "tuples", 0);
  bound->tuples = tuples.data;
  bound->tuplesBytes = tuples.length;
  const int32_t width = intArgument(info, 2, "width");
  if (width != 8 && width != 12 && width != 32 && width != 36)
    throw invalid(info.Env(), "width must be 8, 12, 32 or 36");
  if (width > 12 && !bound->plan.ipv6) throw invalid(info.Env(), "key must have 40 bytes at least for this width");
  bound->width = static_cast<size_t>(width);
  const Span<int32_t> out = keepArray<int32_t>(*bound, info, 3, "out", 0);
  bound->out = out.data;
  bound->outWords = out.length;
  bound->burst.control = keepArray<int32_t>(*bound, info, 4, "control", 2).data;
  return bindFunction<Bound, runPacked>(info.Env(), "hash", std::move(bound));
}

// Key, input, start value.
Napi::Value toeplitz(const Info& info) {
  const Span<uint8_t> key = bytes(info[0], "key");
  const Span<uint8_t> input = bytes(info[1], "input");
  if (input.length > 0 && key.length < input.length + 4)
    throw invalid(info.Env(), "key of " + std::to_string(key.length) + " bytes is too short for " +
                                  std::to_string(input.length) + " bytes of input");
  const auto start = static_cast<uint32_t>(intArgument(info, 2, "start"));
  const uint32_t hash = hashBytes(key.data, key.length, input.data, input.length, start);
  return Napi::Number::New(info.Env(), static_cast<int32_t>(hash));
}

}  // namespace

void defineHash(Napi::Env env, Napi::Object exports) {
  const auto function = [&](const char* name, auto callback) {
    exports.Set(name, Napi::Function::New(env, callback, name));
  };
  Napi::Array names = Napi::Array::New(env, kernels().size());
  for (uint32_t i = 0; i < kernels().size(); i++) names.Set(i, kernels()[i]->name);
  exports.Set("hashKernels", names);
  function("bindBurstHash", bindBurstHash);
  function("bindPackedHash", bindPackedHash);
  function("toeplitz", toeplitz);
}

}  // namespace rxsteer
