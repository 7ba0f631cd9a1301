// Receiving from a TPACKET_V2 ring into the frame pool.
//
// Promise: `receive` copies at most `max` frames, in the order the kernel took them, and never throws. A frame for
// which there is no free slot stays in the ring, and the next call begins with it.
//
// Threads: one receiver at a time uses a ring; the ring position and the identity of the ring that it belongs to lie
// in shared memory, so that another thread can go on where a dead one stopped, and one that gets another ring (the
// interface was made anew) begins at its start. The position is written once a call, after the slots were given back.
// Memory order: a slot's status is loaded with acquire before its contents are read (pairs with the kernel's
// barrier before it sets TP_STATUS_USER) and stored with release after they were copied.
#pragma once

#include <napi.h>

#include <cstdint>

#include "ports/device_watch.h"
#include "ports/frames.h"
#include "util/env_state.h"
#include "util/fd.h"

struct tpacket2_hdr;

namespace rxsteer {

class PacketReceiver final : public Napi::ObjectWrap<PacketReceiver>, public Closable {
 public:
  static Napi::Function define(Napi::Env env);
  explicit PacketReceiver(const Napi::CallbackInfo& info);
  ~PacketReceiver() override { closeNow(); }
  void closeNow() override;

 private:
  enum class Outcome { taken, skipped, stopped };
  static constexpr size_t kStateWords = 3;

  Napi::Value receive(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);
  int32_t receiveBurst(int32_t max);
  Outcome takeFromSlot(tpacket2_hdr* slot, uint32_t status, int32_t index);
  Outcome takeFromQueue(tpacket2_hdr* slot, uint32_t status, int32_t index);
  void discardQueued();
  void idle(uint32_t position);
  bool mapRing();
  bool continueRing();
  void unmapRing();
  void checkRing(uint32_t position);

  UniqueFd socket_;
  uint8_t* ring_ = nullptr;
  size_t ringBytes_ = 0;
  uint32_t mask_ = 0;
  // The state words: the position, then (where there are so many) the cookie of the ring's socket.
  int32_t* cursor_ = nullptr;
  Napi::ObjectReference keepState_;
  FramePool pool_;
  ReceiveArrays out_;
  DeviceWatch watch_{false};
  // Last look at the kernel's drop counter (see checkRing): when, and at which position of the ring.
  int64_t lookedMs_ = 0;
  uint32_t lookedPosition_ = 0;
  bool looked_ = false;
  // The kernel puts nothing into the ring any more.
  bool dead_ = false;
};

}  // namespace rxsteer
