#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ports/tap.h"
#include "ports/super_frame.h"
#include "ports/vnet.h"

namespace rxsteer {

namespace {

SendResult resultOf(int error) {
  switch (error) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return SendResult::full;
    case EMSGSIZE:
      return SendResult::tooLong;
    case EIO:     // the interface is down
    case EBADFD:  // the interface is gone
    case EBADF:   // closed
    case ENODEV:
      return SendResult::down;
    default:
      return SendResult::refused;
  }
}

}  // namespace

Napi::Function TapSender::define(Napi::Env env) {
  return DefineClass(env, "TapSender",
                     {InstanceMethod<&TapSender::send>("send"), InstanceMethod<&TapSender::close>("close")});
}

TapSender::TapSender(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const int fd = intArgument(info, 0, "fd");
  in_.bind(info[1], objectArgument(info, 2, "arrays"));
  queue_ = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!queue_) throw errnoError(info.Env(), errno, "duplicating the TAP queue");
  enlist(EnvState::of(info.Env()));
}

Napi::Value TapSender::send(const Napi::CallbackInfo& info) {
  int32_t from = 0;
  int32_t to = 0;
  napi_get_value_int32(info.Env(), info[0], &from);
  napi_get_value_int32(info.Env(), info[1], &to);
  return Napi::Number::New(info.Env(), sendRange(std::max(from, 0), std::min(to, in_.capacity())));
}

int32_t TapSender::sendRange(int32_t from, int32_t to) {
  int32_t sent = 0;
  bool retried = false;
  for (int32_t i = from; i < to; i++) {
    uint8_t* message = in_.message(i);
    if (message == nullptr) {
      in_.result(i, SendResult::refused);
      continue;
    }
    if ((in_.flags(i) & kFlagGso) != 0 && !describesOutermost(message, in_.length(i))) {
      in_.result(i, SendResult::segment);
      for (int32_t k = i + 1; k < to; k++) in_.result(k, SendResult::untried);
      break;
    }
    if ((in_.flags(i) & kFlagVnet) == 0) std::memset(message, 0, kVnetBytes);
    const size_t length = kVnetBytes + in_.length(i);
    for (;;) {
      if (::write(queue_.get(), message, length) >= 0) {
        in_.result(i, SendResult::sent);
        sent++;
        break;
      }
      if (errno == EINTR) continue;
      const SendResult result = resultOf(errno);
      if (result == SendResult::full && !retried) {
        retried = true;
        pollfd writable{queue_.get(), POLLOUT, 0};
        ::poll(&writable, 1, 1);
        continue;
      }
      in_.result(i, result);
      break;
    }
  }
  return sent;
}

}  // namespace rxsteer
