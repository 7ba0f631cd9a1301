#include "notify.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "util/fd.h"
#include "util/system_error.h"

namespace rxsteer {

namespace {

constexpr time_t kPatienceSeconds = 1;

}  // namespace

void notifyService(const std::string& address, const std::string& message) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  // A path has a zero behind it; an abstract name has one in front and none behind.
  if (address.size() < 2 || address.size() >= sizeof name.sun_path)
    throw SystemError{EINVAL, "service manager's socket", "its name has 2 to 107 bytes"};
  const bool isAbstract = address[0] == '@';
  if (!isAbstract && address[0] != '/')
    throw SystemError{EINVAL, "service manager's socket", "its name begins with / or @"};
  std::memcpy(name.sun_path, address.data(), address.size());
  if (isAbstract) name.sun_path[0] = 0;
  const auto length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size() + (isAbstract ? 0 : 1));

  const UniqueFd fd(check(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket(AF_UNIX)"));
  const timeval patience{kPatienceSeconds, 0};
  check(::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), "setsockopt(SO_SNDTIMEO)");
  const auto sent = ::sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&name), length);
  check(static_cast<int>(sent), "sendto");
}

}  // namespace rxsteer
