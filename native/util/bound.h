// A function of no arguments and no result, with its data: the cheapest call that Node-API has (15-20 ns), since nothing
// is converted. What it works on is bound, what changes stands in typed arrays that caller and function share.
#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <utility>

#include "util/errors.h"

namespace rxsteer {

// What a bound function holds: its data, until `releaseBound` or the function's end.
struct BoundBase {
  virtual ~BoundBase() = default;
  virtual void release() = 0;
};

template <typename Data>
struct BoundData final : BoundBase {
  explicit BoundData(std::unique_ptr<Data> given) : data(std::move(given)) {}
  void release() override { data.reset(); }
  std::unique_ptr<Data> data;
};

// Tells a bound function from other objects with native data.
inline constexpr napi_type_tag kBoundTag = {0x8c3f21d07e5a4b16ULL, 0x9b7d0e4462f1c853ULL};

// `Run` is called with the data; the data lives as long as the function does, or until `releaseBound`, after which a
// call does nothing. `Run` must not throw.
template <typename Data, void (*Run)(Data&)>
Napi::Value bindFunction(Napi::Env env, const char* name, std::unique_ptr<Data> data) {
  auto bound = std::make_unique<BoundData<Data>>(std::move(data));
  const auto call = [](napi_env raw, napi_callback_info info) -> napi_value {
    void* held = nullptr;
    if (napi_get_cb_info(raw, info, nullptr, nullptr, nullptr, &held) != napi_ok) return nullptr;
    if (Data* data = static_cast<BoundData<Data>*>(held)->data.get()) Run(*data);
    return nullptr;
  };
  const auto end = [](napi_env, void* held, void*) { delete static_cast<BoundBase*>(held); };
  napi_value function = nullptr;
  napi_status status = napi_create_function(env, name, NAPI_AUTO_LENGTH, call, bound.get(), &function);
  if (status == napi_ok) status = napi_type_tag_object(env, function, &kBoundTag);
  if (status == napi_ok) status = napi_wrap(env, function, static_cast<BoundBase*>(bound.get()), end, nullptr, nullptr);
  if (status != napi_ok) throw Napi::Error::New(env);
  bound.release();
  return Napi::Value(env, function);
}

// Gives the data of a bound function back now: a thread that never turns its event loop collects no native data, and
// the garbage collector does not know how much of it there is. Throws EINVAL for anything else.
inline void releaseBound(const Napi::CallbackInfo& info) {
  bool tagged = false;
  void* held = nullptr;
  if (!info[0].IsFunction() || napi_check_object_type_tag(info.Env(), info[0], &kBoundTag, &tagged) != napi_ok || !tagged ||
      napi_unwrap(info.Env(), info[0], &held) != napi_ok)
    throw invalid(info.Env(), "a bound function is needed");
  static_cast<BoundBase*>(held)->release();
}

}  // namespace rxsteer
