#include "ports/packet_tx.h"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ports/device_watch.h"
#include "ports/packet_socket.h"
#include "ports/vnet.h"

namespace rxsteer {

namespace {

constexpr int64_t kFallbackMs = 1000;
// Stands for the AF_XDP socket among descriptors.
constexpr int kXsk = -2;
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
  const int plain = intArgument(info, 0, "plain");
  const int qdisc = intArgument(info, 1, "qdisc");
  in_.bind(info[2], objectArgument(info, 3, "arrays"));
  plain_ = UniqueFd(::fcntl(plain, F_DUPFD_CLOEXEC, 0));
  if (!plain_) throw errnoError(env, errno, "duplicating the packet socket");
  if (qdisc >= 0) {
    qdisc_ = UniqueFd(::fcntl(qdisc, F_DUPFD_CLOEXEC, 0));
    if (!qdisc_) throw errnoError(env, errno, "duplicating the packet socket");
  }
  const int xsk = info.Length() > 4 && info[4].IsNumber() ? intArgument(info, 4, "xsk") : -1;
  if (xsk >= 0) {
    const Span<uint8_t> staging = bytes(info[5], "staging");
    if (staging.length < kXskStagingBytes) throw invalid(env, "staging is too short");
    // Without it everything goes through the packet sockets.
    if (xsk_.attach(xsk, boundInterface(), staging.data)) staging_ = Napi::Persistent(info[5].As<Napi::Object>());
  }
  for (uint32_t i = 0; i < kRun; i++) {
    messages_[i].msg_hdr.msg_iov = &parts_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
  }
  enlist(EnvState::of(env));
}

void PacketSender::closeNow() {
  xsk_.close();
  plain_.reset();
  qdisc_.reset();
}

void PacketSender::close(const Napi::CallbackInfo&) { closeNow(); }

Napi::Value PacketSender::send(const Napi::CallbackInfo& info) {
  int32_t from = 0;
  int32_t to = 0;
  napi_get_value_int32(info.Env(), info[0], &from);
  napi_get_value_int32(info.Env(), info[1], &to);
  return Napi::Number::New(info.Env(), sendRange(std::max(from, 0), std::min(to, in_.capacity())));
}

int PacketSender::socketFor(int32_t flags) {
  if ((flags & kFlagGso) == 0 || !qdisc_) return plain_.get();
  if (ownFallback_ && coarseMs() >= fallbackUntilMs_) return plain_.get();
  return qdisc_.get();
}

int32_t PacketSender::sendRange(int32_t from, int32_t to) {
  int32_t sent = 0;
  uint32_t run = 0;
  int runFd = -1;
  retried_ = false;
  for (int32_t i = from; i < to; i++) {
    uint8_t* message = in_.message(i);
    if (message == nullptr) {
      in_.result(i, SendResult::refused);
      continue;
    }
    const int32_t flags = in_.flags(i);
    const int fd = plainEnough(i) ? kXsk : socketFor(flags);
    if (run == kRun || (run > 0 && fd != runFd)) {
      sent += runFd == kXsk ? flushXsk(run) : flush(runFd, 0, run);
      run = 0;
    }
    runFd = fd;
    if (fd != kXsk) {
      if ((flags & kFlagVnet) == 0) std::memset(message, 0, kVnetBytes);
      parts_[run] = {message, kVnetBytes + in_.length(i)};
    }
    index_[run] = i;
    run++;
  }
  if (run > 0) sent += runFd == kXsk ? flushXsk(run) : flush(runFd, 0, run);
  return sent;
}

bool PacketSender::plainEnough(int32_t index) const {
  if (!xsk_.ready() || (in_.flags(index) & (kFlagVnet | kFlagGso | kFlagNeedsCsum)) != 0) return false;
  const uint32_t length = in_.length(index);
  return length >= kEthernetHeaderBytes && length <= xsk_.longest();
}

// The interface of the plain socket, or 0.
int PacketSender::boundInterface() const {
  sockaddr_ll bound{};
  socklen_t size = sizeof bound;
  return ::getsockname(plain_.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0 ? bound.sll_ifindex : 0;
}

// What the AF_XDP socket does not take follows through the packet socket, which also tells why.
int32_t PacketSender::flushXsk(uint32_t count) {
  const uint32_t taken = xsk_.send(in_, index_.data(), count);
  for (uint32_t k = 0; k < taken; k++) in_.result(index_[k], SendResult::sent);
  if (taken == count) return static_cast<int32_t>(taken);
  for (uint32_t k = taken; k < count; k++) {
    uint8_t* message = in_.message(index_[k]);
    std::memset(message, 0, kVnetBytes);
    parts_[k] = {message, kVnetBytes + in_.length(index_[k])};
  }
  return static_cast<int32_t>(taken) + flush(plain_.get(), taken, count);
}

int32_t PacketSender::flush(int fd, uint32_t first, uint32_t count) {
  uint32_t done = first;
  int32_t sent = 0;
  while (done < count) {
    const int got = ::sendmmsg(fd, &messages_[done], count - done, MSG_DONTWAIT);
    if (got > 0) {
      for (int k = 0; k < got; k++) in_.result(index_[done + k], SendResult::sent);
      done += got;
      sent += got;
      continue;
    }
    // sendmmsg reports an error only for its first message.
    const int error = errno;
    if (error == EINTR) continue;
    const SendResult result = resultOf(error);
    if (result == SendResult::full && !retried_) {
      retried_ = true;
      if (error == EAGAIN) {
        pollfd writable{fd, POLLOUT, 0};
        ::poll(&writable, 1, 1);
      } else {
        // The device's queue: whoever empties it may be waiting for our CPU.
        ::sched_yield();
      }
      continue;
    }
    if (error == ENOBUFS && fd == plain_.get() && (in_.flags(index_[done]) & kFlagGso) != 0 && openFallback()) {
      fd = qdisc_.get();
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

// A device without TSO (it may be switched off at any time) refuses GSO frames of a bypassing socket every time;
// the ordinary way segments them. The rest of the run follows on the same socket: order before speed.
bool PacketSender::openFallback() {
  if (!qdisc_) {
    const int ifindex = boundInterface();
    if (ifindex == 0) return false;
    try {
      qdisc_ = openPacketSend(ifindex, false);
    } catch (const SystemError&) {
      return false;
    }
    ownFallback_ = true;
  }
  fallbackUntilMs_ = coarseMs() + kFallbackMs;
  return true;
}

}  // namespace rxsteer
