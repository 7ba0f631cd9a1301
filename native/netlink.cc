#include "netlink.h"

#include <linux/genetlink.h>
#include <sys/socket.h>

#include <vector>

#include "util/system_error.h"

namespace rxsteer {

UniqueFd netlinkSocket(int protocol, int flags) {
  return UniqueFd(check(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, protocol), "socket(AF_NETLINK)"));
}

int netlinkExchange(int fd, const nlmsghdr& request, const std::function<void(const NetlinkMessage&)>& visit) {
  check(static_cast<int>(::send(fd, &request, request.nlmsg_len, 0)), "sending to netlink");
  std::vector<uint8_t> buffer(64 << 10);
  const bool dump = (request.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  int result = -1;
  while (result < 0) {
    const int got = check(static_cast<int>(::recv(fd, buffer.data(), buffer.size(), 0)), "receiving from netlink");
    eachMessage(buffer.data(), static_cast<size_t>(got), [&](const NetlinkMessage& message) {
      if (message.type == NLMSG_DONE) {
        result = 0;
      } else if (message.type == NLMSG_ERROR) {
        const auto* error = message.front<nlmsgerr>();
        result = error == nullptr ? EBADMSG : -error->error;
      } else {
        visit(message);
        if (!dump) result = 0;
      }
      return result < 0;
    });
  }
  return result;
}

void parseFamily(const NetlinkMessage& message, const char* group, GenericFamily& family) {
  if (message.type != GENL_ID_CTRL) return;
  eachAttributeBehind<genlmsghdr>(message, [&](const NetlinkAttribute& a) {
    if (a.type == CTRL_ATTR_FAMILY_ID) family.id = a.number<uint16_t>();
    if (a.type != CTRL_ATTR_MCAST_GROUPS) return;
    eachAttribute(a.data, a.length, [&](const NetlinkAttribute& one) {
      std::string name;
      uint32_t id = 0;
      eachAttribute(one.data, one.length, [&](const NetlinkAttribute& field) {
        if (field.type == CTRL_ATTR_MCAST_GRP_NAME) name = field.text();
        if (field.type == CTRL_ATTR_MCAST_GRP_ID) id = field.number<uint32_t>();
      });
      if (name == group) family.group = id;
    });
  });
}

}  // namespace rxsteer
