// Watching descriptors that nobody asks for now: which of them have become readable.
//
// Promise: a member costs nothing until it is readable, however many there are. `take` tells of each member that is
// readable or in error and lets it go; until then it stays (level-triggered), so nothing is lost between two calls. The
// set's own descriptor is readable while `take` has something to tell.
//
// Busy descriptors do not belong here: the kernel calls a watcher for each frame, which costs the sender. They are asked,
// and polled before a sleep (`waitReadable`).
//
// Threads: one environment's. A descriptor must be removed before it is closed: the kernel keeps a member for as long as
// any duplicate of it is open.
#pragma once

#include <napi.h>

#include "util/env_state.h"
#include "util/fd.h"

namespace rxsteer {

class Watch final : public Napi::ObjectWrap<Watch>, public Closable {
 public:
  static Napi::Function define(Napi::Env env);
  explicit Watch(const Napi::CallbackInfo& info);
  ~Watch() override { closeNow(); }
  void closeNow() override { epoll_.reset(); }

 private:
  Napi::Value descriptor(const Napi::CallbackInfo& info);
  Napi::Value add(const Napi::CallbackInfo& info);
  void remove(const Napi::CallbackInfo& info);
  Napi::Value take(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo&) { closeNow(); }

  UniqueFd epoll_;
};

}  // namespace rxsteer
