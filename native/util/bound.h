// A function of no arguments and no result, with its data: the cheapest call that Node-API has (15-20 ns), since nothing
// is converted. What it works on is bound, what changes stands in typed arrays that caller and function share.
#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <utility>

namespace rxsteer {

// `Run` is called with the data; the data lives as long as the function does. `Run` must not throw.
template <typename Data, void (*Run)(Data&)>
Napi::Value bindFunction(Napi::Env env, const char* name, std::unique_ptr<Data> data) {
  const auto call = [](napi_env raw, napi_callback_info info) -> napi_value {
    void* bound = nullptr;
    if (napi_get_cb_info(raw, info, nullptr, nullptr, nullptr, &bound) == napi_ok) Run(*static_cast<Data*>(bound));
    return nullptr;
  };
  const auto release = [](napi_env, void* bound, void*) { delete static_cast<Data*>(bound); };
  napi_value function = nullptr;
  napi_status status = napi_create_function(env, name, NAPI_AUTO_LENGTH, call, data.get(), &function);
  if (status == napi_ok) status = napi_add_finalizer(env, function, data.get(), release, nullptr, nullptr);
  if (status != napi_ok) throw Napi::Error::New(env);
  data.release();
  return Napi::Value(env, function);
}

}  // namespace rxsteer
