// TAP interfaces: opening all queues of one, its receiver and its sender.
//
// Promise: descriptors are non-blocking, every frame is preceded by a 10-byte virtio-net header. A TAP that did
// not exist vanishes with its last descriptor. `receive` and `send` never throw; one system call a frame (tun has
// no batched ones).
#pragma once

#include <napi.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "link.h"
#include "ports/device_watch.h"
#include "ports/frames.h"
#include "util/env_state.h"
#include "util/fd.h"
#include "util/system_error.h"

namespace rxsteer {

struct Tap {
  std::vector<UniqueFd> queues;
  // It did not exist before.
  bool created;
  int ifindex;
};

// Creates or attaches. `offload`: GSO frames (TCP, and UDP where the kernel can) and partial checksums pass as they
// are; else the kernel completes both before we read. Throws SystemError.
Tap openTap(const std::string& name, uint32_t queues, bool offload);

// TUNSETCARRIER: what the interface shows as its link. False where the kernel refuses it.
bool setTapCarrier(int fd, bool on);

// True while the descriptor is attached to an interface, whatever its name and network namespace (TUNGETIFF).
bool tapAttached(int fd);

// The interface of a TAP's descriptor, wherever it is.
struct TapPlace {
  Link link;
  // In another network namespace than the calling thread.
  bool elsewhere = false;
};

// The interface that a descriptor is attached to, under whatever name and in whatever network namespace, with its
// counters. Nothing where it has none any more, or where this cannot be told: TUNGETDEVNETNS is there since Linux 5.2
// and needs CAP_NET_ADMIN over that namespace, as rtnetlink's answer from there does. Throws SystemError.
std::optional<TapPlace> tapPlace(int fd);

class TapReceiver final : public Napi::ObjectWrap<TapReceiver>, public Closable {
 public:
  static Napi::Function define(Napi::Env env);
  explicit TapReceiver(const Napi::CallbackInfo& info);
  ~TapReceiver() override { closeNow(); }
  void closeNow() override {
    queue_.reset();
    watch_.close();
  }

 private:
  Napi::Value receive(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo&) { closeNow(); }
  int32_t receiveBurst(int32_t max);
  bool deliver(const uint8_t* message, uint32_t length, int32_t index);

  UniqueFd queue_;
  FramePool pool_;
  ReceiveArrays out_;
  DeviceWatch watch_{true};
  // Where frames are read while no large slot is free: a read cannot be undone, and its length is known only
  // afterwards. One that needs a large slot waits here (`*pending_` bytes with header) and goes first. Both lie in
  // memory that outlives the receiver, where the caller gives it: the next one of the queue goes on with the frame.
  uint8_t* spare_ = nullptr;
  int32_t* pending_ = nullptr;
  std::vector<uint8_t> ownSpare_;
  int32_t ownPending_ = 0;
  Napi::ObjectReference keepState_;
  Napi::ObjectReference keepSpare_;
};

class TapSender final : public Napi::ObjectWrap<TapSender>, public Closable {
 public:
  static Napi::Function define(Napi::Env env);
  explicit TapSender(const Napi::CallbackInfo& info);
  ~TapSender() override { closeNow(); }
  void closeNow() override { queue_.reset(); }

 private:
  Napi::Value send(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo&) { closeNow(); }
  int32_t sendRange(int32_t from, int32_t to);

  UniqueFd queue_;
  SendArrays in_;
};

}  // namespace rxsteer
