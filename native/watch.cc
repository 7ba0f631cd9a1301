#include "watch.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "util/args.h"
#include "wait.h"

namespace rxsteer {

namespace {

// Members told of in one system call.
constexpr int kEventsMax = 64;

int32_t number(const Napi::CallbackInfo& info, size_t index) {
  int32_t value = -1;
  napi_get_value_int32(info.Env(), info[index], &value);
  return value;
}

}  // namespace

Napi::Function Watch::define(Napi::Env env) {
  return DefineClass(env, "Watch",
                     {InstanceAccessor<&Watch::descriptor>("descriptor"), InstanceMethod<&Watch::add>("add"),
                      InstanceMethod<&Watch::remove>("remove"), InstanceMethod<&Watch::take>("take"),
                      InstanceMethod<&Watch::close>("close")});
}

Watch::Watch(const Napi::CallbackInfo& info) : ObjectWrap(info), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) throw errnoError(info.Env(), errno, "epoll_create1");
  enlist(EnvState::of(info.Env()));
}

Napi::Value Watch::descriptor(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), epoll_.get()); }

// Descriptor, key. Both travel in the event: the key for the caller, the descriptor to let the member go.
Napi::Value Watch::add(const Napi::CallbackInfo& info) {
  const int32_t fd = number(info, 0);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = uint64_t{static_cast<uint32_t>(fd)} << 32 | static_cast<uint32_t>(number(info, 1));
  const bool added = ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  return Napi::Boolean::New(info.Env(), added);
}

void Watch::remove(const Napi::CallbackInfo& info) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, number(info, 0), nullptr);
}

Napi::Value Watch::take(const Napi::CallbackInfo& info) {
  const Span<int32_t> keys = int32s(info[0], "keys");
  std::array<epoll_event, kEventsMax> events;
  size_t told = 0;
  while (told < keys.length) {
    const int most = static_cast<int>(std::min<size_t>(kEventsMax, keys.length - told));
    const int got = ::epoll_wait(epoll_.get(), events.data(), most, 0);
    for (int i = 0; i < got; i++) {
      const uint64_t data = events[static_cast<size_t>(i)].data.u64;
      const int fd = static_cast<int>(data >> 32);
      if ((events[static_cast<size_t>(i)].events & ~uint32_t{EPOLLIN}) != 0) noteError(fd, *EnvState::of(info.Env()));
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
      keys.data[told++] = static_cast<int32_t>(static_cast<uint32_t>(data));
    }
    if (got < most) break;
  }
  return Napi::Number::New(info.Env(), static_cast<double>(told));
}

}  // namespace rxsteer
