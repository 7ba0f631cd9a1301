// Sending bursts through one AF_PACKET socket, past the queueing discipline or through it.
//
// Promise: `send` hands the frames to the kernel in their order, one system call for a run of frames that go
// through the same socket, writes a `SendResult` for each and never throws. A full device gets one bounded retry
// a call (at most 1 ms). Where there is an AF_XDP socket beside a bypassing one, plain frames go through it (a third
// less CPU time a frame): both hand to the same transmit queue, so order is kept. What the AF_XDP socket does not take,
// and everything with a virtio-net header, goes through the packet socket; without one (the queue that a packet socket
// takes would follow the CPU) the AF_XDP socket is all there is, and frames come finished. TCP goes
// through the packet socket always, and from the first frame with a virtio-net header on everything goes through the packet socket, for all workers of the port: the GRO of a veth's far
// end does not merge frames of different sockets (`skb->sk`), and hands one flow's past each other. For the same reason
// super-frames that a device made of software does not segment are not left to the kernel, whose segments but the last
// have no socket. There is no other way out: a super-frame
// that cannot go whole ends the call (`SendResult::segment`), and the caller segments it and goes on behind it.
// Used by one thread; the sockets may be shared by several senders.
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
  int32_t flush(uint32_t first, uint32_t count);
  int32_t flushXsk(uint32_t count);
  void mix();
  bool plainEnough(int32_t index) const;
  bool goesWhole(const uint8_t* message, uint32_t length);
  bool lacks(int32_t index);
  SendResult resultNow(int error);
  bool hasCarrier();

  XskTransmit xsk_;
  Napi::ObjectReference staging_;
  UniqueFd bypassing_;
  UniqueFd queueing_;
  // Shared with the main thread and the port's other senders: kQueued while frames go through the queueing discipline,
  // with kMixed once a frame had a virtio-net header.
  int32_t* path_ = nullptr;
  // Shared with the main thread: kinds of super-frames (`Segmentation` bits) that the kernel shall not segment for us.
  const int32_t* withheld_ = nullptr;
  Napi::ObjectReference pathKeep_;
  // Of the current call: the socket (-1 = the AF_XDP socket alone), and that it bypasses the queueing discipline.
  int socket_ = -1;
  bool bypass_ = false;
  // Frames of all kinds go through the packet socket.
  bool mixed_ = false;
  int ifindex_ = 0;
  // Kinds of super-frames that the device refused, `Segmentation` bits, believed until then.
  uint32_t lacks_ = 0;
  int64_t lacksUntilMs_ = 0;
  // Index of the super-frame that ended the call; -1 = none.
  int32_t stoppedAt_ = -1;
  // The device's carrier, believed until then; asked through `control_`.
  bool carrier_ = true;
  int64_t carrierUntilMs_ = 0;
  UniqueFd control_;
  bool retried_ = false;
  // The current call met ENETDOWN, and has asked the device anew.
  bool down_ = false;
  SendArrays in_;
  std::array<mmsghdr, kRun> messages_{};
  std::array<iovec, kRun> parts_{};
  std::array<int32_t, kRun> index_{};
};

}  // namespace rxsteer
