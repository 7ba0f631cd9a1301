#include "util/heard.h"

#include "util/errors.h"

namespace rxsteer {

namespace {

// At the end of its environment there is none.
void callNow(napi_env env, napi_value callback, void*, void*) {
  if (env == nullptr || callback == nullptr) return;
  napi_value self = nullptr;
  napi_value thrown = nullptr;
  if (napi_get_undefined(env, &self) != napi_ok) return;
  if (napi_call_function(env, self, callback, 0, nullptr, nullptr) == napi_pending_exception &&
      napi_get_and_clear_last_exception(env, &thrown) == napi_ok)
    napi_fatal_exception(env, thrown);
}

}  // namespace

void Heard::listen(Napi::Env env, Napi::Value callback, const char* name) {
  if (!callback.IsFunction()) throw invalid(env, "callback must be a function");
  const Napi::String title = Napi::String::New(env, name);
  if (napi_create_threadsafe_function(env, callback, nullptr, title, 0, 1, nullptr, nullptr, nullptr, callNow,
                                      &function_) != napi_ok)
    throw Napi::Error::New(env);
  napi_unref_threadsafe_function(env, function_);
}

void Heard::call() { napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking); }

void Heard::release() {
  if (function_ == nullptr) return;
  napi_release_threadsafe_function(function_, napi_tsfn_release);
  function_ = nullptr;
}

}  // namespace rxsteer
