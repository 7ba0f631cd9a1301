#include "ports/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "ports/vnet.h"

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#ifndef TUNGETDEVNETNS
#define TUNGETDEVNETNS _IO('T', 227)
#endif

namespace rxsteer {

namespace {

constexpr uint32_t kQueuesMax = 256;  // MAX_TAP_QUEUES

UniqueFd tunDescriptor() {
  const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    std::string hint;
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO) hint = "the kernel has no tun driver (modprobe tun)";
    if (errno == EACCES || errno == EPERM) hint = "TAP interfaces need access to it and CAP_NET_ADMIN";
    throw SystemError{errno, "opening /dev/net/tun", hint};
  }
  return UniqueFd(fd);
}

// 0 or the errno of TUNSETIFF.
int attach(int fd, const std::string& name, bool multiQueue) {
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multiQueue ? IFF_MULTI_QUEUE : 0));
  return ::ioctl(fd, TUNSETIFF, &request) == 0 ? 0 : errno;
}

std::string attachHint(int error, bool existed, uint32_t queues) {
  switch (error) {
    case EPERM:
      return existed ? "attaching to this TAP needs CAP_NET_ADMIN or to be its owner" : "creating a TAP needs CAP_NET_ADMIN";
    case EBUSY:
      return "another program has attached to it";
    case E2BIG:
      return "too many queues: at most 256 over all programs";
    case EINVAL:
      if (!existed) return "not a valid interface name";
      return queues > 1 ? "it is not a TAP, or was created without multi_queue (then 1 queue is permitted)"
                        : "it is not a TAP";
    default:
      return "";
  }
}

void configure(int fd, const std::string& name, bool offload) {
  int headerBytes = kVnetBytes;
  check(::ioctl(fd, TUNSETVNETHDRSZ, &headerBytes), "TUNSETVNETHDRSZ");
  if (!offload) {
    check(::ioctl(fd, TUNSETOFFLOAD, 0), ("TUNSETOFFLOAD on " + name).c_str());
    return;
  }
  constexpr unsigned kTcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  // Segmentation of UDP since Linux 6.2.
  if (::ioctl(fd, TUNSETOFFLOAD, kTcp | TUN_F_USO4 | TUN_F_USO6) == 0) return;
  check(::ioctl(fd, TUNSETOFFLOAD, kTcp), ("TUNSETOFFLOAD on " + name).c_str());
}

}  // namespace

Tap openTap(const std::string& name, uint32_t queues, bool offload) {
  const std::string what = "attaching to TAP " + name;
  if (queues < 1 || queues > kQueuesMax)
    throw SystemError{EINVAL, what, "it can have 1 to " + std::to_string(kQueuesMax) + " queues"};
  Tap tap{};
  tap.created = ::if_nametoindex(name.c_str()) == 0;
  bool multiQueue = queues > 1;
  for (uint32_t q = 0; q < queues; q++) {
    UniqueFd fd = tunDescriptor();
    int error = attach(fd.get(), name, multiQueue);
    if (error == EINVAL && queues == 1 && !tap.created) {
      // One queue of a TAP that was created with multi_queue.
      multiQueue = true;
      error = attach(fd.get(), name, multiQueue);
    }
    if (error != 0) throw SystemError{error, what, attachHint(error, !tap.created, queues)};
    configure(fd.get(), name, offload);
    tap.queues.push_back(std::move(fd));
  }
  tap.ifindex = static_cast<int>(::if_nametoindex(name.c_str()));
  return tap;
}

bool setTapCarrier(int fd, bool on) {
  int value = on ? 1 : 0;
  return ::ioctl(fd, TUNSETCARRIER, &value) == 0;
}

bool tapAttached(int fd) {
  ifreq request{};
  return ::ioctl(fd, TUNGETIFF, &request) == 0;
}

std::optional<TapPlace> tapPlace(int fd) {
  ifreq request{};
  const UniqueFd space(::ioctl(fd, TUNGETDEVNETNS));
  if (!space || ::ioctl(fd, TUNGETIFF, &request) != 0) return std::nullopt;
  std::optional<Link> link;
  try {
    link = readLinkIn(space.get(), request.ifr_name);
  } catch (const SystemError& error) {
    if (error.error != EPERM && error.error != EOPNOTSUPP && error.error != EINVAL) throw;
  }
  if (!link) return std::nullopt;
  return TapPlace{std::move(*link), !isOwnNamespace(space.get())};
}

}  // namespace rxsteer
