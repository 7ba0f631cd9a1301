#include "vhost/unix_socket.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "util/args.h"
#include "util/errors.h"
#include "util/system_error.h"

namespace rxsteer {

namespace {

constexpr size_t kDescriptorsMost = 16;

sockaddr_un addressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    throw SystemError{ENAMETOOLONG, "a socket's path", "at most 107 bytes"};
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

UniqueFd openUnix() {
  return UniqueFd(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "a Unix socket"));
}

}  // namespace

UniqueFd connectUnix(const std::string& path) {
  const sockaddr_un address = addressOf(path);
  UniqueFd fd = openUnix();
  check(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "connecting");
  return fd;
}

UniqueFd listenUnix(const std::string& path) {
  const sockaddr_un address = addressOf(path);
  UniqueFd fd = openUnix();
  const auto bind = [&] { return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address); };
  if (bind() != 0) {
    if (errno != EADDRINUSE) throw SystemError{errno, "binding", ""};
    const UniqueFd probe = openUnix();
    // Refused: nobody listens any more. Anything else but a socket refuses as well, and stays.
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
        errno != ECONNREFUSED)
      throw SystemError{EADDRINUSE, "binding", ""};
    struct statx file{};
    check(::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &file), "binding");
    if (!S_ISSOCK(file.stx_mode)) throw SystemError{EADDRINUSE, "binding", "something else than a socket is there"};
    check(::unlink(path.c_str()), "replacing a socket");
    check(bind(), "binding");
  }
  check(::listen(fd.get(), 8), "listening");
  return fd;
}

UniqueFd acceptUnix(int fd) { return UniqueFd(::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)); }

pid_t peerOf(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid : 0;
}

Received receiveUnix(int fd, uint8_t* into, size_t most) {
  alignas(cmsghdr) uint8_t ancillary[CMSG_SPACE(kDescriptorsMost * sizeof(int))];
  iovec data{into, most};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = ancillary;
  message.msg_controllen = sizeof ancillary;
  Received result{-1, {}};
  do {
    result.length = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (result.length < 0 && errno == EINTR);
  if (result.length < 0) {
    if (errno != EAGAIN) result.length = 0;
    return result;
  }
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int got;
      std::memcpy(&got, CMSG_DATA(part) + i * sizeof got, sizeof got);
      result.fds.emplace_back(got);
    }
  }
  // Some were lost: nothing that follows can be understood.
  if ((message.msg_flags & MSG_CTRUNC) != 0) return {0, {}};
  return result;
}

bool sendUnix(int fd, const uint8_t* data, size_t length) {
  return ::send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL) == static_cast<ssize_t>(length);
}

Napi::Function SocketEvents::define(Napi::Env env) {
  return DefineClass(env, "SocketEvents",
                     {InstanceMethod<&SocketEvents::arm>("arm"), InstanceMethod<&SocketEvents::remove>("remove"),
                      InstanceMethod<&SocketEvents::take>("take"),
                      InstanceMethod<&SocketEvents::close>("close")});
}

SocketEvents::SocketEvents(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Napi::Env env = info.Env();
  try {
    end_ = UniqueFd(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"));
    all_ = UniqueFd(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = end_.get();
    check(::epoll_ctl(all_.get(), EPOLL_CTL_ADD, end_.get(), &event), "epoll_ctl");
  } catch (const SystemError& error) {
    throw errnoError(env, error.error, error.what);
  }
  callback_.listen(env, info[0], "rxsteer.SocketEvents");
  try {
    waiting_ = std::thread([this] { wait(); });
  } catch (const std::system_error& error) {
    callback_.release();
    throw errnoError(env, error.code().value(), "starting a thread that listens to sockets");
  }
  enlist(EnvState::of(env));
}

void SocketEvents::closeNow() {
  if (waiting_.joinable()) {
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(end_.get(), &one, sizeof one);
    waiting_.join();
    callback_.release();
  }
  end_.reset();
  all_.reset();
}

void SocketEvents::wait() {
  for (;;) {
    epoll_event event{};
    const int got = ::epoll_wait(all_.get(), &event, 1, -1);
    if (got < 0 && errno != EINTR) return;
    if (got == 1 && event.data.fd == end_.get()) return;
    if (got != 1) continue;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ready_.push_back(event.data.fd);
    }
    callback_.call();
  }
}

// Adds a descriptor, or arms a member again.
void SocketEvents::arm(const Napi::CallbackInfo& info) {
  const int fd = intArgument(info, 0, "fd");
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;
  event.data.fd = fd;
  if (::epoll_ctl(all_.get(), EPOLL_CTL_MOD, fd, &event) != 0 &&
      ::epoll_ctl(all_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    throw errnoError(info.Env(), errno, "epoll_ctl");
}

// Those that became readable since the last call.
Napi::Value SocketEvents::take(const Napi::CallbackInfo& info) {
  std::vector<int> ready;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ready.swap(ready_);
  }
  Napi::Array result = Napi::Array::New(info.Env(), ready.size());
  for (uint32_t i = 0; i < ready.size(); i++) result.Set(i, ready[i]);
  return result;
}

void SocketEvents::remove(const Napi::CallbackInfo& info) {
  ::epoll_ctl(all_.get(), EPOLL_CTL_DEL, intArgument(info, 0, "fd"), nullptr);
}

}  // namespace rxsteer
