#include "link.h"

#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <vector>

#include "util/fd.h"

namespace rxsteer {

namespace {

std::string text(const rtattr* attribute) {
  const auto* data = static_cast<const char*>(RTA_DATA(attribute));
  return std::string(data, ::strnlen(data, RTA_PAYLOAD(attribute)));
}

uint32_t word(const rtattr* attribute) {
  uint32_t value = 0;
  if (RTA_PAYLOAD(attribute) >= sizeof value) std::memcpy(&value, RTA_DATA(attribute), sizeof value);
  return value;
}

template <typename Visit>
void eachAttribute(const void* first, int length, Visit visit) {
  for (auto* a = const_cast<rtattr*>(static_cast<const rtattr*>(first)); RTA_OK(a, length); a = RTA_NEXT(a, length))
    visit(a);
}

// One request and its replies; `visit` gets each message. Returns the errno that the kernel replied, or 0.
int exchange(int fd, const void* request, size_t size, const std::function<void(const nlmsghdr*)>& visit) {
  check(static_cast<int>(::send(fd, request, size, 0)), "sending to rtnetlink");
  std::vector<char> buffer(64 << 10);
  const bool dump = (static_cast<const nlmsghdr*>(request)->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  for (;;) {
    const int got = check(static_cast<int>(::recv(fd, buffer.data(), buffer.size(), 0)), "receiving from rtnetlink");
    auto rest = static_cast<unsigned>(got);
    for (auto* m = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(m, rest); m = NLMSG_NEXT(m, rest)) {
      if (m->nlmsg_type == NLMSG_DONE) return 0;
      if (m->nlmsg_type == NLMSG_ERROR) return -static_cast<const nlmsgerr*>(NLMSG_DATA(m))->error;
      visit(m);
      if (!dump) return 0;
    }
  }
}

std::string formatMac(const rtattr* attribute) {
  const auto* b = static_cast<const uint8_t*>(RTA_DATA(attribute));
  if (RTA_PAYLOAD(attribute) != 6) return "";
  char out[18];
  std::snprintf(out, sizeof out, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
  return out;
}

struct LinkRequest {
  nlmsghdr header;
  ifinfomsg info;
  char attributes[64];
};

void addAttribute(LinkRequest& request, uint16_t type, const void* data, size_t size) {
  auto* attribute = reinterpret_cast<rtattr*>(reinterpret_cast<char*>(&request) + NLMSG_ALIGN(request.header.nlmsg_len));
  attribute->rta_type = type;
  attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
  std::memcpy(RTA_DATA(attribute), data, size);
  request.header.nlmsg_len = NLMSG_ALIGN(request.header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
}

void parseLink(const nlmsghdr* message, Link& link) {
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(message));
  link.index = info->ifi_index;
  link.up = (info->ifi_flags & IFF_UP) != 0;
  link.running = (info->ifi_flags & IFF_RUNNING) != 0;
  eachAttribute(IFLA_RTA(info), static_cast<int>(IFLA_PAYLOAD(message)), [&](const rtattr* a) {
    switch (a->rta_type) {
      case IFLA_IFNAME: link.name = text(a); break;
      case IFLA_MTU: link.mtu = word(a); break;
      case IFLA_ADDRESS: link.mac = formatMac(a); break;
      case IFLA_NUM_RX_QUEUES: link.rxQueues = word(a); break;
      case IFLA_NUM_TX_QUEUES: link.txQueues = word(a); break;
      case IFLA_QDISC: link.qdisc = text(a); break;
      case IFLA_MASTER: {
        char name[IF_NAMESIZE] = "";
        const uint32_t index = word(a);
        // A master in another namespace, or one that went meanwhile, has no name here.
        link.master = ::if_indextoname(index, name) != nullptr ? name : std::string("#").append(std::to_string(index));
        break;
      }
      case IFLA_LINKINFO:
        eachAttribute(RTA_DATA(a), static_cast<int>(RTA_PAYLOAD(a)), [&](const rtattr* nested) {
          if (nested->rta_type == IFLA_INFO_KIND) link.kind = text(nested);
        });
        break;
      default: break;
    }
  });
}

uint32_t countAddresses(int fd, int index) {
  struct {
    nlmsghdr header;
    ifaddrmsg info;
  } request{};
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.info);
  request.header.nlmsg_type = RTM_GETADDR;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  uint32_t count = 0;
  exchange(fd, &request, request.header.nlmsg_len, [&](const nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWADDR) return;
    const auto* info = static_cast<const ifaddrmsg*>(NLMSG_DATA(message));
    if (static_cast<int>(info->ifa_index) != index) return;
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

UniqueFd netlinkSocket() {
  return UniqueFd(check(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "socket(AF_NETLINK)"));
}

}  // namespace

std::optional<Link> readLink(const std::string& name) {
  const UniqueFd netlink = netlinkSocket();
  LinkRequest request{};
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.info);
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  addAttribute(request, IFLA_IFNAME, name.c_str(), name.size() + 1);
  // Statistics of virtual functions and the like would only fill the reply.
  const uint32_t mask = RTEXT_FILTER_SKIP_STATS;
  addAttribute(request, IFLA_EXT_MASK, &mask, sizeof mask);

  Link link;
  const int error = exchange(netlink.get(), &request, request.header.nlmsg_len, [&](const nlmsghdr* message) {
    if (message->nlmsg_type == RTM_NEWLINK) parseLink(message, link);
  });
  if (error == ENODEV) return std::nullopt;
  if (error != 0) throw SystemError{error, "RTM_GETLINK of " + name, ""};
  link.addresses = countAddresses(netlink.get(), link.index);
  readEthtool(netlink.get(), link);
  return link;
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

UniqueFd openLinkEvents() {
  UniqueFd fd(check(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE), "opening rtnetlink"));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_TC;
  check(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "listening to rtnetlink");
  return fd;
}

bool linksChanged(int fd) {
  bool changed = false;
  char byte;
  for (;;) {
    // What a message says does not matter, so it is cut off. ENOBUFS: messages were lost.
    if (::recv(fd, &byte, sizeof byte, MSG_DONTWAIT | MSG_TRUNC) >= 0 || errno == ENOBUFS) changed = true;
    else if (errno != EINTR) return changed;
  }
}

}  // namespace rxsteer
