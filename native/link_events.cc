#include "link_events.h"

#include <linux/genetlink.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "util/errors.h"
#include "util/system_error.h"

namespace rxsteer {

namespace {

// include/uapi/linux/ethtool_netlink.h, which older headers lack.
constexpr char kEthtool[] = "ethtool";
constexpr char kMonitor[] = "monitor";

UniqueFd openLinks() {
  UniqueFd fd = netlinkSocket(NETLINK_ROUTE, SOCK_NONBLOCK);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_TC;
  check(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "listening to rtnetlink");
  return fd;
}

// Nothing where the kernel has no such family or group.
UniqueFd openEthtool() {
  UniqueFd fd = netlinkSocket(NETLINK_GENERIC);
  NetlinkRequest<genlmsghdr> request(GENL_ID_CTRL, 0);
  request.front.cmd = CTRL_CMD_GETFAMILY;
  request.front.version = 1;
  request.add(CTRL_ATTR_FAMILY_NAME, kEthtool, sizeof kEthtool);
  GenericFamily family;
  netlinkExchange(fd.get(), request.header,
                  [&](const NetlinkMessage& message) { parseFamily(message, kMonitor, family); });
  if (family.group == 0) return {};
  if (::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &family.group, sizeof family.group) != 0) return {};
  return fd;
}

// True when a socket had messages, or more than it could keep.
bool drain(int fd) {
  bool heard = false;
  char byte;
  for (;;) {
    // What does not fit is cut off.
    if (::recv(fd, &byte, sizeof byte, MSG_DONTWAIT | MSG_TRUNC) >= 0 || errno == ENOBUFS) heard = true;
    else if (errno != EINTR) return heard;
  }
}

}  // namespace

Napi::Function LinkEvents::define(Napi::Env env) {
  return DefineClass(env, "LinkEvents",
                     {InstanceAccessor<&LinkEvents::queues>("queues"), InstanceMethod<&LinkEvents::take>("take"),
                      InstanceMethod<&LinkEvents::everywhere>("everywhere"),
                      InstanceMethod<&LinkEvents::close>("close")});
}

LinkEvents::LinkEvents(const Napi::CallbackInfo& info)
    : ObjectWrap(info) {
  Napi::Env env = info.Env();
  try {
    links_ = openLinks();
    ethtool_ = openEthtool();
    end_ = UniqueFd(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"));
    all_ = UniqueFd(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
    for (const UniqueFd* fd : {&links_, &ethtool_, &end_}) {
      epoll_event event{};
      event.events = fd == &end_ ? EPOLLIN : EPOLLIN | EPOLLONESHOT;
      event.data.fd = fd->get();
      if (*fd) check(::epoll_ctl(all_.get(), EPOLL_CTL_ADD, fd->get(), &event), "epoll_ctl");
    }
  } catch (const SystemError& error) {
    throw errnoError(env, error.error, error.what);
  }
  callback_.listen(env, info[0], "rxsteer.LinkEvents");
  try {
    waiting_ = std::thread([this] { wait(); });
  } catch (const std::system_error& error) {
    callback_.release();
    throw errnoError(env, error.code().value(), "starting a thread that listens to netlink");
  }
  enlist(EnvState::of(env));
}

void LinkEvents::closeNow() {
  if (waiting_.joinable()) {
    const uint64_t one = 1;
    // A counter at 0 takes it.
    [[maybe_unused]] const auto written = ::write(end_.get(), &one, sizeof one);
    waiting_.join();
    callback_.release();
  }
  links_.reset();
  ethtool_.reset();
  end_.reset();
  all_.reset();
}

// The thread's loop. What was told stays disarmed until `take` has drained it.
void LinkEvents::wait() {
  for (;;) {
    epoll_event event{};
    const int got = ::epoll_wait(all_.get(), &event, 1, -1);
    if (got < 0 && errno != EINTR) return;
    if (got == 1 && event.data.fd == end_.get()) return;
    if (got == 1) callback_.call();
  }
}

void LinkEvents::arm() {
  for (const UniqueFd* fd : {&links_, &ethtool_}) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLONESHOT;
    event.data.fd = fd->get();
    if (*fd) ::epoll_ctl(all_.get(), EPOLL_CTL_MOD, fd->get(), &event);
  }
}

Napi::Value LinkEvents::take(const Napi::CallbackInfo& info) {
  bool heard = links_ && drain(links_.get());
  if (ethtool_ && drain(ethtool_.get())) heard = true;
  arm();
  return Napi::Boolean::New(info.Env(), heard);
}

Napi::Value LinkEvents::everywhere(const Napi::CallbackInfo& info) {
  const int on = 1;
  const bool heard =
      links_ && ::setsockopt(links_.get(), SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof on) == 0;
  return Napi::Boolean::New(info.Env(), heard);
}

Napi::Value LinkEvents::queues(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), static_cast<bool>(ethtool_));
}

}  // namespace rxsteer
