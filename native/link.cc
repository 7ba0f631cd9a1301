#include "link.h"

#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "util/fd.h"

namespace rxsteer {

namespace {

std::string formatMac(const NetlinkAttribute& attribute) {
  if (attribute.length != 6) return "";
  const uint8_t* b = attribute.data;
  char out[18];
  std::snprintf(out, sizeof out, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
  return out;
}

// A master in another namespace, or one that went meanwhile, has no name here.
std::string nameOf(uint32_t index) {
  char name[IF_NAMESIZE] = "";
  return ::if_indextoname(index, name) != nullptr ? name : std::string("#").append(std::to_string(index));
}

uint32_t countAddresses(int fd, int index) {
  const NetlinkRequest<ifaddrmsg> request(RTM_GETADDR, NLM_F_DUMP);
  uint32_t count = 0;
  netlinkExchange(fd, request.header, [&](const NetlinkMessage& message) {
    const auto* info = message.front<ifaddrmsg>();
    if (message.type != RTM_NEWADDR || info == nullptr || static_cast<int>(info->ifa_index) != index) return;
    if (info->ifa_family == AF_INET || (info->ifa_family == AF_INET6 && info->ifa_scope == RT_SCOPE_UNIVERSE)) count++;
  });
  return count;
}

bool ethtool(int fd, const std::string& name, void* command) {
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = static_cast<char*>(command);
  return ::ioctl(fd, SIOCETHTOOL, &request) == 0;
}

void readEthtool(int fd, Link& link) {
  ethtool_value tso{};
  tso.cmd = ETHTOOL_GTSO;
  link.tso = ethtool(fd, link.name, &tso) && tso.data != 0;
  // rtnetlink tells how many queues were allocated, this how many are in use.
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  if (!ethtool(fd, link.name, &channels)) return;
  if (channels.rx_count + channels.combined_count > 0) link.rxQueues = channels.rx_count + channels.combined_count;
  if (channels.tx_count + channels.combined_count > 0) link.txQueues = channels.tx_count + channels.combined_count;
}

// Asks for a link: by name, or by what else is in the request. Nothing where there is none.
std::optional<Link> ask(int netlink, const NetlinkRequest<ifinfomsg>& request, const std::string& name) {
  Link link;
  const int error =
      netlinkExchange(netlink, request.header, [&](const NetlinkMessage& message) { parseLink(message, link); });
  if (error == ENODEV) return std::nullopt;
  if (error != 0) throw SystemError{error, "RTM_GETLINK of " + name, ""};
  return link;
}

constexpr int32_t kNoId = -1;

// What this thread's network namespace calls another one (rtnetlink's nsid), or kNoId.
int32_t idOf(int netlink, int space) {
  NetlinkRequest<rtgenmsg> request(RTM_GETNSID, 0);
  request.add(NETNSA_FD, &space, sizeof space);
  int32_t id = kNoId;
  const int error = netlinkExchange(netlink, request.header, [&](const NetlinkMessage& message) {
    eachAttributeBehind<rtgenmsg>(message, [&](const NetlinkAttribute& a) {
      if (a.type == NETNSA_NSID && a.length >= sizeof id) id = a.number<int32_t>();
    });
  });
  if (error != 0) throw SystemError{error, "RTM_GETNSID", ""};
  return id;
}

// The same; it gets a number where it has none. (Moving an interface there has given it one.)
int32_t numberOf(int netlink, int space) {
  const int32_t known = idOf(netlink, space);
  if (known != kNoId) return known;
  NetlinkRequest<rtgenmsg> request(RTM_NEWNSID, NLM_F_ACK);
  request.add(NETNSA_FD, &space, sizeof space);
  request.add(NETNSA_NSID, &kNoId, sizeof kNoId);
  const int error = netlinkExchange(netlink, request.header, [](const NetlinkMessage&) {});
  if (error != 0 && error != EEXIST) throw SystemError{error, "RTM_NEWNSID", ""};
  return idOf(netlink, space);
}

}  // namespace

void parseLink(const NetlinkMessage& message, Link& link) {
  const auto* info = message.front<ifinfomsg>();
  if (message.type != RTM_NEWLINK || info == nullptr) return;
  link.index = info->ifi_index;
  link.up = (info->ifi_flags & IFF_UP) != 0;
  link.running = (info->ifi_flags & IFF_RUNNING) != 0;
  eachAttributeBehind<ifinfomsg>(message, [&](const NetlinkAttribute& a) {
    switch (a.type) {
      case IFLA_IFNAME: link.name = a.text(); break;
      case IFLA_MTU: link.mtu = a.number<uint32_t>(); break;
      case IFLA_ADDRESS: link.mac = formatMac(a); break;
      case IFLA_NUM_RX_QUEUES: link.rxQueues = a.number<uint32_t>(); break;
      case IFLA_NUM_TX_QUEUES: link.txQueues = a.number<uint32_t>(); break;
      case IFLA_QDISC: link.qdisc = a.text(); break;
      case IFLA_MASTER: link.master = nameOf(a.number<uint32_t>()); break;
      case IFLA_STATS64: {
        rtnl_link_stats64 counters{};
        if (a.length >= offsetof(rtnl_link_stats64, tx_dropped) + sizeof counters.tx_dropped)
          std::memcpy(&counters, a.data, std::min(a.length, sizeof counters));
        link.txDropped = counters.tx_dropped;
        break;
      }
      case IFLA_XDP:
        eachAttribute(a.data, a.length, [&](const NetlinkAttribute& nested) {
          if (nested.type == IFLA_XDP_PROG_ID) link.xdpProgram = nested.number<uint32_t>();
        });
        break;
      case IFLA_LINKINFO:
        eachAttribute(a.data, a.length, [&](const NetlinkAttribute& nested) {
          if (nested.type == IFLA_INFO_KIND) link.kind = nested.text();
        });
        break;
      default: break;
    }
  });
}

std::optional<Link> readLink(const std::string& name) {
  const UniqueFd netlink = netlinkSocket(NETLINK_ROUTE);
  NetlinkRequest<ifinfomsg> request(RTM_GETLINK, 0);
  request.add(IFLA_IFNAME, name.c_str(), name.size() + 1);
  // Statistics of virtual functions and the like would only fill the reply.
  const uint32_t mask = RTEXT_FILTER_SKIP_STATS;
  request.add(IFLA_EXT_MASK, &mask, sizeof mask);

  std::optional<Link> link = ask(netlink.get(), request, name);
  if (!link) return link;
  link->addresses = countAddresses(netlink.get(), link->index);
  readEthtool(netlink.get(), *link);
  return link;
}

std::optional<Link> readLinkIn(int space, const std::string& name) {
  const UniqueFd netlink = netlinkSocket(NETLINK_ROUTE);
  NetlinkRequest<ifinfomsg> request(RTM_GETLINK, 0);
  const int32_t id = numberOf(netlink.get(), space);
  request.add(IFLA_TARGET_NETNSID, &id, sizeof id);
  request.add(IFLA_IFNAME, name.c_str(), name.size() + 1);
  return ask(netlink.get(), request, name);
}

bool isOwnNamespace(int space) {
  // `net:[4026531840]` for both. (stat and fstat would need glibc 2.33.)
  const auto named = [](const std::string& path) {
    char name[64];
    const ssize_t length = ::readlink(path.c_str(), name, sizeof name);
    return std::string(name, length < 0 ? 0 : static_cast<size_t>(length));
  };
  const std::string own = named("/proc/thread-self/ns/net");
  return !own.empty() && own == named("/proc/thread-self/fd/" + std::to_string(space));
}

void setLinkUp(const std::string& name) {
  const UniqueFd socket(check(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  check(::ioctl(socket.get(), SIOCGIFFLAGS, &request), ("reading the flags of " + name).c_str());
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  const std::string what = "setting " + name + " up";
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0)
    throw SystemError{errno, what, errno == EPERM ? "this needs CAP_NET_ADMIN" : ""};
}

void setMtu(const std::string& name, int mtu) {
  const UniqueFd socket(check(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_mtu = mtu;
  const std::string what = "setting the MTU of " + name + " to " + std::to_string(mtu);
  if (::ioctl(socket.get(), SIOCSIFMTU, &request) != 0)
    throw SystemError{errno, what, errno == EPERM ? "this needs CAP_NET_ADMIN" : ""};
}

}  // namespace rxsteer
