// Netlink messages: walking what came, and one request with its replies.
//
// Promise: the walkers read nothing outside the bytes they are given, whatever lengths the messages and attributes claim;
// what does not fit ends the walk. Sources: include/uapi/linux/netlink.h, Documentation/userspace-api/netlink/intro.rst.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

#include "util/fd.h"

namespace rxsteer {

// One message: its type, and what follows its header.
struct NetlinkMessage {
  uint16_t type = 0;
  const uint8_t* payload = nullptr;
  size_t length = 0;

  // The fixed part at the front of the payload; null where the message is too short for it.
  template <typename T>
  const T* front() const {
    return length >= sizeof(T) ? reinterpret_cast<const T*>(payload) : nullptr;
  }
};

// One attribute.
struct NetlinkAttribute {
  uint16_t type = 0;
  const uint8_t* data = nullptr;
  size_t length = 0;

  // Up to the first NUL.
  std::string text() const {
    const auto* from = reinterpret_cast<const char*>(data);
    return std::string(from, ::strnlen(from, length));
  }
  // In host order; 0 where it is shorter.
  template <typename T>
  T number() const {
    T value = 0;
    if (length >= sizeof value) std::memcpy(&value, data, sizeof value);
    return value;
  }
};

// Calls `visit` with each message in `bytes`, which begin at a multiple of four; stops where it returns false.
template <typename Visit>
void eachMessage(const uint8_t* bytes, size_t size, Visit visit) {
  nlmsghdr header;
  while (size >= sizeof header) {
    std::memcpy(&header, bytes, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > size) return;
    if (!visit(NetlinkMessage{header.nlmsg_type, bytes + sizeof header, header.nlmsg_len - sizeof header})) return;
    const size_t step = NLMSG_ALIGN(header.nlmsg_len);
    if (step >= size) return;
    bytes += step;
    size -= step;
  }
}

// Calls `visit` with each attribute in `bytes`, which begin at a multiple of four.
template <typename Visit>
void eachAttribute(const uint8_t* bytes, size_t size, Visit visit) {
  nlattr header;
  while (size >= sizeof header) {
    std::memcpy(&header, bytes, sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > size) return;
    const auto type = static_cast<uint16_t>(header.nla_type & NLA_TYPE_MASK);
    visit(NetlinkAttribute{type, bytes + sizeof header, header.nla_len - sizeof header});
    const size_t step = NLMSG_ALIGN(header.nla_len);
    if (step >= size) return;
    bytes += step;
    size -= step;
  }
}

// The attributes behind a message's fixed part of type T.
template <typename T, typename Visit>
void eachAttributeBehind(const NetlinkMessage& message, Visit visit) {
  constexpr size_t front = NLMSG_ALIGN(sizeof(T));
  if (message.length > front) eachAttribute(message.payload + front, message.length - front, visit);
}

// A request that grows by attributes. `Front` is the fixed part behind the header.
template <typename Front>
struct NetlinkRequest {
  nlmsghdr header{};
  Front front{};
  char attributes[64]{};

  NetlinkRequest(uint16_t type, uint16_t flags) {
    header.nlmsg_len = NLMSG_LENGTH(sizeof front);
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(flags | NLM_F_REQUEST);
  }

  // At most what `attributes` has room for.
  void add(uint16_t type, const void* data, size_t size) {
    const size_t at = NLMSG_ALIGN(header.nlmsg_len);
    if (at + RTA_SPACE(size) > sizeof *this) return;
    const nlattr attribute{static_cast<uint16_t>(RTA_LENGTH(size)), type};
    std::memcpy(reinterpret_cast<char*>(this) + at, &attribute, sizeof attribute);
    std::memcpy(reinterpret_cast<char*>(this) + at + sizeof attribute, data, size);
    header.nlmsg_len = static_cast<uint32_t>(at + RTA_SPACE(size));
  }
};

// A socket of a netlink protocol. Throws SystemError.
UniqueFd netlinkSocket(int protocol, int flags = 0);

// Sends one request; `visit` gets each reply. Returns the errno that the kernel replied, or 0. Throws SystemError.
int netlinkExchange(int fd, const nlmsghdr& request, const std::function<void(const NetlinkMessage&)>& visit);

// A family of generic netlink: its number, and that of one of its multicast groups; 0 = none.
struct GenericFamily {
  uint16_t id = 0;
  uint32_t group = 0;
};

// What a reply to CTRL_CMD_GETFAMILY says of a family and its group of that name.
void parseFamily(const NetlinkMessage& message, const char* group, GenericFamily& family);

}  // namespace rxsteer
