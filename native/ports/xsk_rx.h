// Receiving from an AF_XDP socket: frames stay in the slots that the kernel has put them into.
//
// Promise: `receive` takes at most `max` frames in the order in which the kernel took them, and never throws. For each slot
// that it takes it gives the kernel a free one of its own worker; without one the frame stays in the ring, and the next call
// begins with it. A partial checksum, of which AF_XDP says nothing, is found and told as from any other port. Nothing is
// copied, but a frame that a driver did not put to the pool's own offset.
//
// Threads: one receiver at a time polls a socket. Where it is in the ring is in the ring, so that a successor goes on there.
// Words of a slot: its home is written before its owner word, which makes it this worker's (`FramePool`).
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>

#include "ports/frames.h"
#include "ports/xsk_queue.h"
#include "util/env_state.h"
#include "util/fd.h"

namespace rxsteer {

class XskReceiver final : public Napi::ObjectWrap<XskReceiver>, public Closable {
 public:
  static Napi::Function define(Napi::Env env);
  explicit XskReceiver(const Napi::CallbackInfo& info);
  ~XskReceiver() override { closeNow(); }
  void closeNow() override;

 private:
  // Frames of a call at most.
  static constexpr int32_t kBurst = 256;

  Napi::Value receive(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);
  int32_t receiveBurst(int32_t max);
  bool exchange(uint32_t slot, int32_t& given);
  void idle();
  void put(int32_t index, uint32_t slot, uint32_t length);

  UniqueFd socket_;
  std::shared_ptr<XskQueue> queue_;
  FramePool pool_;
  ReceiveArrays out_;
  int32_t* owner_ = nullptr;
  int32_t* home_ = nullptr;
  Napi::ObjectReference keepOwner_;
  Napi::ObjectReference keepHome_;
  int32_t worker_ = 0;
  int32_t tag_ = 0;
  // The device was last asked for its state then, and said that.
  int64_t askedMs_ = 0;
  uint32_t askedEpoch_ = 0;
  int error_ = 0;
  int32_t given_[kBurst] = {};
};

}  // namespace rxsteer
