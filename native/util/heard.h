// A function of JavaScript's that a thread of the addon's own has called.
//
// Promise: `call` returns at once; the function is called later, from the event loop of the environment that it is of, and
// what it throws is an uncaught exception there. The process is not kept alive. After the end of the environment nothing
// is called any more, and `call` does nothing.
//
// Threads: `call` from any thread, until `release`; all else from the environment's own. Raw Node-API: the templates of
// the C++ wrapper compare a template argument with null, which a build with sanitizers refuses.
#pragma once

#include <napi.h>

namespace rxsteer {

class Heard {
 public:
  Heard() = default;
  ~Heard() { release(); }
  Heard(const Heard&) = delete;
  Heard& operator=(const Heard&) = delete;

  // Once. Throws a JavaScript error where `callback` is no function.
  void listen(Napi::Env env, Napi::Value callback, const char* name);
  void call();
  void release();

 private:
  napi_threadsafe_function function_ = nullptr;
};

}  // namespace rxsteer
