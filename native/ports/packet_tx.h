// Sending bursts through AF_PACKET sockets.
//
// Promise: `send` hands the frames to the kernel in their order, one system call for a run of frames that go
// through the same socket, writes a `SendResult` for each and never throws. A full device gets one bounded retry
// a call (at most 1 ms). Plain frames go through an AF_XDP socket where there is one (a third less CPU time a frame);
// what that does not take, and everything with a virtio-net header, goes through packet sockets. Used by one thread; the sockets may be shared by several senders.
#pragma once

#include <napi.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>

#include "ports/frames.h"
#include "ports/xsk_tx.h"
#include "util/env_state.h"
#include "util/fd.h"

namespace rxsteer {

class PacketSender final : public Napi::ObjectWrap<PacketSender>, public Closable {
 public:
  static Napi::Function define(Napi::Env env);
  explicit PacketSender(const Napi::CallbackInfo& info);
  ~PacketSender() override { closeNow(); }
  void closeNow() override;

 private:
  // Messages in one system call: the burst's size; more gains nothing (measured, see bench/native).
  static constexpr uint32_t kRun = 64;

  Napi::Value send(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);
  int32_t sendRange(int32_t from, int32_t to);
  int32_t flush(int fd, uint32_t first, uint32_t count);
  int32_t flushXsk(uint32_t count);
  bool plainEnough(int32_t index) const;
  int socketFor(int32_t flags);
  bool openFallback();
  int boundInterface() const;

  XskTransmit xsk_;
  Napi::ObjectReference staging_;
  UniqueFd plain_;
  UniqueFd qdisc_;
  // `qdisc_` was opened by ourselves, because the device refused GSO frames; used until this time, then the
  // direct way is tried again.
  bool ownFallback_ = false;
  int64_t fallbackUntilMs_ = 0;
  bool retried_ = false;
  SendArrays in_;
  std::array<mmsghdr, kRun> messages_{};
  std::array<iovec, kRun> parts_{};
  std::array<int32_t, kRun> index_{};
};

}  // namespace rxsteer
