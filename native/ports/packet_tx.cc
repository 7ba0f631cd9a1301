#include "ports/packet_tx.h"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
// After the kernel's headers: both define struct ifreq's neighbours.
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ports/device_watch.h"
#include "ports/super_frame.h"
#include "ports/vnet.h"

namespace rxsteer {

namespace {

// So long what the device said of super-frames is believed: somebody may switch its offloads on and off.
constexpr int64_t kFeaturesMs = 1000;
// So long what the device said of its carrier is believed. Asked only when a frame was refused.
constexpr int64_t kCarrierMs = 10;
// The word `path`: see TRANSMIT_PATHS in src/dataplane/ports/packet/transmit-path.ts.
constexpr int32_t kQueued = 1;
// A bit beside the path.
constexpr int32_t kMixed = 1 << 8;
constexpr uint32_t kEthernetHeaderBytes = 14;

SendResult resultOf(int error) {
  switch (error) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return SendResult::full;
    case EMSGSIZE:
      return SendResult::tooLong;
    case ENETDOWN:
    case ENXIO:
    case ENODEV:
    case EBADF:
      return SendResult::down;
    default:
      // EINVAL: shorter than an Ethernet header, or a virtio-net header that contradicts the frame.
      return SendResult::refused;
  }
}

}  // namespace

Napi::Function PacketSender::define(Napi::Env env) {
  return DefineClass(env, "PacketSender",
                     {InstanceMethod<&PacketSender::send>("send"), InstanceMethod<&PacketSender::close>("close")});
}

PacketSender::PacketSender(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Napi::Env env = info.Env();
  const auto duplicate = [&](int argument, const char* name) {
    const int fd = intArgument(info, argument, name);
    if (fd < 0) return UniqueFd();
    UniqueFd own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!own) throw errnoError(env, errno, "duplicating the packet socket");
    return own;
  };
  bypassing_ = duplicate(0, "bypass");
  queueing_ = duplicate(1, "queued");
  const Span<int32_t> path = int32s(info[2], "path");
  if (path.length < 2) throw invalid(env, "path must have two words");
  path_ = path.data;
  withheld_ = path.data + 1;
  pathKeep_ = Napi::Persistent(info[2].As<Napi::Object>());
  in_.bind(info[3], objectArgument(info, 4, "arrays"));
  ifindex_ = intArgument(info, 5, "ifindex");
  const int xsk = info.Length() > 6 && info[6].IsNumber() ? intArgument(info, 6, "xsk") : -1;
  if (xsk >= 0) {
    const Span<uint8_t> staging = bytes(info[7], "staging");
    if (staging.length < kXskStagingBytes) throw invalid(env, "staging is too short");
    // Without it everything goes through the packet socket.
    if (xsk_.attach(xsk, staging.data)) staging_ = Napi::Persistent(info[7].As<Napi::Object>());
  }
  for (uint32_t i = 0; i < kRun; i++) {
    messages_[i].msg_hdr.msg_iov = &parts_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
  }
  enlist(EnvState::of(env));
}

void PacketSender::closeNow() {
  control_.reset();
  xsk_.close();
  bypassing_.reset();
  queueing_.reset();
}

void PacketSender::close(const Napi::CallbackInfo&) { closeNow(); }

Napi::Value PacketSender::send(const Napi::CallbackInfo& info) {
  int32_t from = 0;
  int32_t to = 0;
  napi_get_value_int32(info.Env(), info[0], &from);
  napi_get_value_int32(info.Env(), info[1], &to);
  return Napi::Number::New(info.Env(), sendRange(std::max(from, 0), std::min(to, in_.capacity())));
}

int32_t PacketSender::sendRange(int32_t from, int32_t to) {
  int32_t sent = 0;
  uint32_t run = 0;
  bool runXsk = false;
  retried_ = false;
  down_ = false;
  stoppedAt_ = -1;
  const int32_t path = __atomic_load_n(path_, __ATOMIC_SEQ_CST);
  bypass_ = (path & ~kMixed) != kQueued;
  mixed_ = (path & kMixed) != 0;
  socket_ = bypass_ ? bypassing_.get() : queueing_.get();
  const auto flushRun = [&] {
    if (run > 0) sent += runXsk ? flushXsk(run) : flush(0, run);
    run = 0;
    return stoppedAt_ < 0;
  };
  for (int32_t i = from; i < to; i++) {
    uint8_t* message = in_.message(i);
    if (message == nullptr) {
      in_.result(i, SendResult::refused);
      continue;
    }
    const int32_t flags = in_.flags(i);
    if ((flags & (kFlagVnet | kFlagGso | kFlagNeedsCsum)) != 0 && !mixed_) mix();
    const bool alone = socket_ < 0 && xsk_.ready();
    if (alone && (flags & kFlagGso) != 0 && xsk_.completes()) {
      if (flushRun()) stoppedAt_ = i;
      break;
    }
    const bool xsk = plainEnough(i);
    if (!xsk && alone) {
      in_.result(i, in_.length(i) > xsk_.longest() ? SendResult::tooLong : SendResult::refused);
      continue;
    }
    if ((run == kRun || (run > 0 && xsk != runXsk)) && !flushRun()) break;
    if ((flags & kFlagGso) != 0 && !goesWhole(message, in_.length(i))) {
      if (flushRun()) stoppedAt_ = i;
      break;
    }
    runXsk = xsk;
    if (!xsk) {
      if ((flags & kFlagVnet) == 0) std::memset(message, 0, kVnetBytes);
      parts_[run] = {message, kVnetBytes + in_.length(i)};
    }
    index_[run] = i;
    run++;
  }
  flushRun();
  if (stoppedAt_ >= 0) {
    in_.result(stoppedAt_, SendResult::segment);
    for (int32_t i = stoppedAt_ + 1; i < to; i++) in_.result(i, SendResult::untried);
  }
  return sent;
}

// Without a packet socket frames come finished, and through the queue all go through one anyway. The main thread may
// turn the path meanwhile: its word wins.
void PacketSender::mix() {
  if (!bypass_ || socket_ < 0 || !xsk_.ready()) return;
  mixed_ = true;
  int32_t path = __atomic_load_n(path_, __ATOMIC_SEQ_CST);
  if (path != kQueued) __atomic_compare_exchange_n(path_, &path, path | kMixed, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

// Through the queueing discipline the kernel segments what the device cannot; past it nobody does.
bool PacketSender::goesWhole(const uint8_t* message, uint32_t length) {
  if (!describesOutermost(message, length)) return false;
  if ((static_cast<uint32_t>(__atomic_load_n(withheld_, __ATOMIC_RELAXED)) & segmentationOf(message)) != 0) return false;
  return !bypass_ || (lacks_ & segmentationOf(message)) == 0 || coarseMs() >= lacksUntilMs_;
}

bool PacketSender::plainEnough(int32_t index) const {
  if (!bypass_ || mixed_ || !xsk_.ready()) return false;
  const int32_t flags = in_.flags(index);
  const uint32_t length = in_.length(index);
  const uint8_t* message = in_.message(index);
  if (socket_ < 0 && xsk_.completes()) {
    if ((flags & kFlagNeedsCsum) != 0 && judgeVnet(readVnet(message), length) != VnetVerdict::fine) return false;
  } else if ((flags & (kFlagVnet | kFlagGso | kFlagNeedsCsum)) != 0) {
    return false;
  }
  if (length < kEthernetHeaderBytes || !xsk_.fits(message + kVnetBytes, length)) return false;
  // A TCP flow is about to have other frames, and what went through AF_XDP before them may still wait to be merged.
  return socket_ < 0 || !isTcp(in_.message(index) + kVnetBytes, length);
}

// What the AF_XDP socket does not take follows through the packet socket, if there is one, which also tells why.
int32_t PacketSender::flushXsk(uint32_t count) {
  const uint32_t taken = xsk_.send(in_, index_.data(), count);
  for (uint32_t k = 0; k < taken; k++) in_.result(index_[k], SendResult::sent);
  if (taken == count) return static_cast<int32_t>(taken);
  if (socket_ < 0) {
    const SendResult result = resultNow(xsk_.error());
    for (uint32_t k = taken; k < count; k++) in_.result(index_[k], result);
    return static_cast<int32_t>(taken);
  }
  for (uint32_t k = taken; k < count; k++) {
    uint8_t* message = in_.message(index_[k]);
    std::memset(message, 0, kVnetBytes);
    parts_[k] = {message, kVnetBytes + in_.length(index_[k])};
  }
  return static_cast<int32_t>(taken) + flush(taken, count);
}

int32_t PacketSender::flush(uint32_t first, uint32_t count) {
  uint32_t done = first;
  int32_t sent = 0;
  while (done < count) {
    const int got = ::sendmmsg(socket_, &messages_[done], count - done, MSG_DONTWAIT);
    if (got > 0) {
      for (int k = 0; k < got; k++) in_.result(index_[done + k], SendResult::sent);
      done += got;
      sent += got;
      continue;
    }
    // sendmmsg reports an error only for its first message.
    const int error = errno;
    if (error == EINTR) continue;
    const SendResult result = resultNow(error);
    if (error == ENOBUFS && bypass_ && (in_.flags(index_[done]) & kFlagGso) != 0 && lacks(index_[done])) {
      stoppedAt_ = index_[done];
      break;
    }
    if (result == SendResult::full && !retried_) {
      retried_ = true;
      if (error == EAGAIN) {
        pollfd writable{socket_, POLLOUT, 0};
        ::poll(&writable, 1, 1);
      } else {
        // The device's queue: the thread that empties it may be waiting for our CPU.
        ::sched_yield();
      }
      continue;
    }
    if (result == SendResult::down) {
      for (; done < count; done++) in_.result(index_[done], result);
      break;
    }
    in_.result(index_[done], result);
    done++;
  }
  return sent;
}

// A device without carrier answers as a full one does. And one whose queue is stopped answers as one that is down where
// it has no queueing discipline (any more): `__dev_queue_xmit` has nowhere to put the frame.
SendResult PacketSender::resultNow(int error) {
  const SendResult result = resultOf(error);
  if (result == SendResult::full && !hasCarrier()) return SendResult::down;
  if (error != ENETDOWN) return result;
  // What was believed before may be why it is asked.
  if (!down_) carrierUntilMs_ = 0;
  down_ = true;
  return hasCarrier() ? SendResult::full : result;
}

bool PacketSender::hasCarrier() {
  const int64_t now = coarseMs();
  if (now < carrierUntilMs_) return carrier_;
  carrierUntilMs_ = now + kCarrierMs;
  if (!control_) control_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  request.ifr_ifindex = ifindex_;
  carrier_ = ::ioctl(control_.get(), SIOCGIFNAME, &request) != 0 ||
             ::ioctl(control_.get(), SIOCGIFFLAGS, &request) != 0 || (request.ifr_flags & IFF_RUNNING) != 0;
  return carrier_;
}

// A super-frame was refused: the device does not segment its type (any more).
bool PacketSender::lacks(int32_t index) {
  lacks_ = ~deviceSegmentation(ifindex_);
  lacksUntilMs_ = coarseMs() + kFeaturesMs;
  return (lacks_ & segmentationOf(in_.message(index))) != 0;
}

}  // namespace rxsteer
