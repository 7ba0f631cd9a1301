#include "ask.h"

#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "util/fd.h"

namespace rxsteer {

namespace {

constexpr size_t kReplyBytes = 256 << 10;
constexpr time_t kPatienceSeconds = 2;

// Commands that only read (net/ethtool/ioctl.c asks for no right for these).
constexpr std::array<uint32_t, 14> kReading = {
    ETHTOOL_GDRVINFO,    ETHTOOL_GCOALESCE, ETHTOOL_GRINGPARAM,   ETHTOOL_GSTRINGS,   ETHTOOL_GSTATS,
    ETHTOOL_GRXFH,       ETHTOOL_GRXRINGS,  ETHTOOL_GRXCLSRLCNT,  ETHTOOL_GRXCLSRULE, ETHTOOL_GRXCLSRLALL,
    ETHTOOL_GSSET_INFO,  ETHTOOL_GFEATURES, ETHTOOL_GCHANNELS,    ETHTOOL_GRSSH,
};

// The size that the kernel will write at most, given what the structure itself says.
size_t writtenBy(const uint8_t* command, uint32_t which) {
  const auto word = [&](size_t at) {
    uint32_t value;
    std::memcpy(&value, command + at, sizeof value);
    return size_t{value};
  };
  switch (which) {
    case ETHTOOL_GDRVINFO: return sizeof(ethtool_drvinfo);
    case ETHTOOL_GCOALESCE: return sizeof(ethtool_coalesce);
    case ETHTOOL_GRINGPARAM: return sizeof(ethtool_ringparam);
    case ETHTOOL_GCHANNELS: return sizeof(ethtool_channels);
    case ETHTOOL_GSTRINGS: return sizeof(ethtool_gstrings) + word(8) * ETH_GSTRING_LEN;
    case ETHTOOL_GSTATS: return sizeof(ethtool_stats) + word(4) * sizeof(uint64_t);
    case ETHTOOL_GSSET_INFO: return sizeof(ethtool_sset_info) + sizeof(uint32_t);
    case ETHTOOL_GFEATURES: return sizeof(ethtool_gfeatures) + word(4) * sizeof(ethtool_get_features_block);
    case ETHTOOL_GRSSH: return sizeof(ethtool_rxfh) + word(8) * sizeof(uint32_t) + word(12);
    case ETHTOOL_GRXCLSRLALL: return sizeof(ethtool_rxnfc) + word(offsetof(ethtool_rxnfc, rule_cnt)) * sizeof(uint32_t);
    default: return sizeof(ethtool_rxnfc);
  }
}

}  // namespace

std::vector<std::vector<uint8_t>> askNetlink(int protocol, const uint8_t* message, size_t size) {
  if (size < sizeof(nlmsghdr)) throw SystemError{EINVAL, "netlink", "a message shorter than its header"};
  const UniqueFd fd(check(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), "socket(AF_NETLINK)"));
  const timeval patience{kPatienceSeconds, 0};
  check(::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), "setsockopt(SO_RCVTIMEO)");
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  check(static_cast<int>(::sendto(fd.get(), message, size, 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel)),
        "sendto(netlink)");
  std::vector<std::vector<uint8_t>> replies;
  std::vector<uint8_t> buffer(kReplyBytes);
  for (;;) {
    const ssize_t got = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw SystemError{errno == EAGAIN ? ETIMEDOUT : errno, "recv(netlink)", ""};
    auto rest = static_cast<unsigned>(got);
    for (auto* m = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(m, rest); m = NLMSG_NEXT(m, rest)) {
      if (m->nlmsg_type == NLMSG_DONE) {
        // A dump that failed tells so in its end.
        int error = 0;
        if (m->nlmsg_len >= NLMSG_LENGTH(sizeof error)) std::memcpy(&error, NLMSG_DATA(m), sizeof error);
        if (error < 0) throw SystemError{-error, "netlink", ""};
        return replies;
      }
      if (m->nlmsg_type == NLMSG_ERROR) {
        const int error = -static_cast<const nlmsgerr*>(NLMSG_DATA(m))->error;
        if (error != 0) throw SystemError{error, "netlink", ""};
        return replies;
      }
      const auto* first = reinterpret_cast<const uint8_t*>(m);
      replies.emplace_back(first, first + m->nlmsg_len);
    }
  }
}

void askEthtool(const std::string& device, uint8_t* command, size_t size) {
  uint32_t which = 0;
  if (size < 16) throw SystemError{EINVAL, "ethtool", "a structure of fewer than 16 bytes"};
  std::memcpy(&which, command, sizeof which);
  if (std::find(kReading.begin(), kReading.end(), which) == kReading.end())
    throw SystemError{EPERM, "ethtool", "a command that may change something"};
  if (size < writtenBy(command, which)) throw SystemError{EINVAL, "ethtool", "a structure shorter than the kernel's"};
  const UniqueFd fd(check(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket(AF_INET)"));
  ifreq request{};
  device.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(command);
  check(::ioctl(fd.get(), SIOCETHTOOL, &request), "ioctl(SIOCETHTOOL)");
}

}  // namespace rxsteer
