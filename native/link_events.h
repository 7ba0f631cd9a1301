// Hearing of changes of links at once: rtnetlink (links, queueing disciplines) and ethtool's notifications (numbers of
// queues, offloads), which the kernel sends behind the change.
//
// Promise: after something was heard the callback is called from the event loop, once for each of the two and not again
// before `take`, which drains and says whether anything was heard. What a message says does not matter: whoever is called
// looks. Messages that were lost (ENOBUFS) count as heard. The process is not kept alive. Where the kernel has no ethtool
// family (before Linux 5.6, or ETHTOOL_NETLINK=n) `queues` is false, and changes of queues are heard of only where the
// driver flaps its carrier for them. After `everywhere` it hears of links in all network namespaces that this one has a
// number for (`tapPlace` and moving an interface give one), not of queues there; it needs CAP_NET_BROADCAST.
//
// Threads: one environment's; one of its own that sleeps until something is to be heard, and ends with it.
#pragma once

#include <napi.h>

#include <cstdint>
#include <thread>

#include "netlink.h"
#include "util/env_state.h"
#include "util/fd.h"
#include "util/heard.h"

namespace rxsteer {

class LinkEvents final : public Napi::ObjectWrap<LinkEvents>, public Closable {
 public:
  static Napi::Function define(Napi::Env env);
  // The callback. Throws (errno) where a descriptor cannot be had.
  explicit LinkEvents(const Napi::CallbackInfo& info);
  ~LinkEvents() override { closeNow(); }
  void closeNow() override;

 private:
  void arm();
  void wait();
  Napi::Value take(const Napi::CallbackInfo& info);
  Napi::Value queues(const Napi::CallbackInfo& info);
  Napi::Value everywhere(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo&) { closeNow(); }

  UniqueFd links_;
  UniqueFd ethtool_;
  // Ends the thread.
  UniqueFd end_;
  // All of them, the two armed for one event each.
  UniqueFd all_;
  std::thread waiting_;
  Heard callback_;
};

}  // namespace rxsteer
